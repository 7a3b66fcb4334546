"""A noise model for aihwkit: the profile as `rpu_config.noise_model`, any time, tails, one history per cell."""

from __future__ import annotations

from pathlib import Path

from nvmphys.errors import MissingTool
from nvmphys.exporters.loss import LossReport, LossRow, basis_in_words
from nvmphys.files import replacing
from nvmphys.profile import VariationProfile, load_profile, save_profile

NAME = "aihwkit"

EXAMPLE = '''"""Program a layer with this profile's cells and read it later. Needs aihwkit and nvmphys side by side."""

from pathlib import Path

import torch
from aihwkit.nn.conversion import convert_to_analog
from aihwkit.simulator.configs import TorchInferenceRPUConfig

from nvmphys.exporters.aihwkit import noise_model

torch.manual_seed(1)
config = TorchInferenceRPUConfig()
config.noise_model = noise_model(Path(__file__).parent)
config.forward.is_perfect = True
analog = convert_to_analog(torch.nn.Linear(16, 4), config)
analog.eval()
analog.program_analog_weights()
for seconds in {times}:
    analog.drift_analog_weights(seconds)
    print(seconds, analog(torch.ones(1, 16)).detach().numpy())
'''


def write(profile: VariationProfile, folder: Path) -> LossReport:
    """Write the profile and an example that uses it."""
    save_profile(profile, folder / "profile.h5")
    later = [float(t - profile.first_time_s if profile.drift else t) for t in profile.tables.time_s[1:]] or [0.0]
    with replacing(folder / "use_in_aihwkit.py") as part:
        part.write_text(EXAMPLE.replace("{times}", repr(later)), encoding="utf-8")
    known = profile.read_noise_S is not None
    stuck = any(extra.stays for extra in profile.extras.values())
    reconverted = (
        "exact for conductances; in a network aihwkit turns programmed weights into conductances anew before drift: "
        "the largest sets the scale and the lower cell of each pair stands at g_min"
    )
    return LossReport(
        NAME,
        (
            LossRow("programmed conductance", "carried", 0.0, "zero weights stand at the profile's lowest target"),
            LossRow("conductance over time", "approximated", None, reconverted),
            LossRow("tails", "carried", 0.0, "quantile tables from 1e-5 to 1 - 1e-5"),
            LossRow("histories", "carried", 0.0, "as drift coefficients; aihwkit programs anew after load_state_dict"),
            LossRow(
                "populations that do not follow the target",
                "approximated" if stuck else "carried",
                None if stuck else 0.0,
                "drawn at programming; stuck cells do change later, as those of the nearest level do"
                if stuck
                else "drawn at programming; recognised later by a conductance above the highest target's",
            ),
            LossRow("read noise", "carried", 0.0, "added at each drift call, relative to the cell's conductance")
            if known
            else LossRow("read noise", "dropped", None, "the profile does not know it apart from relaxation"),
            LossRow("drift exponents", "carried", 0.0, "as the change over time they cause"),
            LossRow("temperature", "carried", 0.0, "noise_model(folder, temperature_K=…); the lowest by default"),
            LossRow("what is left open of σ", "carried", 0.0, "profile.h5; cells are drawn with the σ of the tables"),
            LossRow(
                "programming error and change together", "carried", 0.0, "the profile has no correlation between them"
            )
            if profile.programming_correlation == 0
            else LossRow(
                "programming error and change together",
                "dropped",
                None,
                "aihwkit draws drift coefficients from the target alone, apart from the programming error",
            ),
            LossRow(
                "array effects",
                "dropped",
                None,
                "aihwkit has its own IR-drop model; the profile's figures stay in profile.h5",
            ),
            LossRow("basis, validity and provenance", "carried", 0.0, f"profile.h5; {basis_in_words(profile)}"),
        ),
    )


def read_back(folder: Path) -> VariationProfile:
    """Read the exported profile."""
    return load_profile(Path(folder) / "profile.h5")


def noise_model(folder: str | Path, *, read_noise: bool = True, temperature_K: float | None = None) -> object:
    """Return the noise model of an export, to set as `rpu_config.noise_model`; needs aihwkit in the environment.

    Raises
    ------
    MissingTool
        aihwkit or torch cannot be imported.
    """
    try:
        from nvmphys.exporters._aihwkit_model import ProfileNoiseModel
    except ImportError as error:
        raise MissingTool(f"the aihwkit noise model needs aihwkit ({error}): pip install 'nvmphys[aihwkit]'") from None
    return ProfileNoiseModel(read_back(Path(folder)), read_noise=read_noise, temperature_K=temperature_K)
