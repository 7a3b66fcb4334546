"""A noise model for aihwkit inference: the profile as `rpu_config.noise_model`, any time, tails, one history a cell."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from nvmphys.errors import MissingTool
from nvmphys.exporters.carried import Carried, whole
from nvmphys.exporters.cells import drawn_from_profile
from nvmphys.exporters.loss import LossReport, basis_in_words, carried, dropped, loss_report
from nvmphys.exporters.tools import Draw, Tool, python_with
from nvmphys.files import write_text
from nvmphys.profile import VariationProfile, load_profile, save_profile

if TYPE_CHECKING:
    from nvmphys.exporters._aihwkit_model import ProfileNoiseModel

NAME = "aihwkit"
VARIABLE = "NVMPHYS_AIHWKIT_PYTHON"
TOOL = Tool(
    "aihwkit", f"pip install 'nvmphys[aihwkit]', or set {VARIABLE} to a Python that has it",
    lambda: python_with(VARIABLE, "aihwkit"),
)  # fmt: skip

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
    write_text(folder / "use_in_aihwkit.py", EXAMPLE.replace("{times}", repr(later)))
    return loss_report(
        NAME,
        {
            "programmed conductance": carried("zero weights stand at the profile's lowest target"),
            "conductance over time": carried("each cell drifts as it was programmed, not as its pair's difference"),
            "tails": carried("quantile tables from 1e-5 to 1 - 1e-5"),
            "histories": carried("as drift coefficients; aihwkit programs anew after load_state_dict"),
            "populations that do not follow the target": carried("drawn at programming; stuck cells stay stuck"),
            "read noise": carried("added at each drift call, relative to the cell's conductance")
            if profile.read_noise_S is not None
            else dropped("the profile does not know it apart from relaxation"),
            "drift exponents": carried("as the change over time they cause"),
            "temperature": carried("noise_model(folder, temperature_K=…); the lowest by default"),
            "what is left open of σ": carried("profile.h5; cells are drawn with the σ of the tables"),
            "programming error and change together": carried("the cell keeps its score at programming"),
            "array effects": dropped("aihwkit has its own IR-drop model; the profile's figures stay in profile.h5"),
            "pulse updates": dropped("inference programs no pulses: export for aihwkit-training"),
            "read non-linearity": dropped("aihwkit reads linear cells"),
            "confidence": carried("replicates in profile.h5; cells are drawn from the tables themselves"),
            "basis, validity and provenance": carried(f"profile.h5; {basis_in_words(profile)}"),
        },
    )


def read_back(folder: Path) -> Carried:
    """Read the exported profile."""
    return whole(load_profile(Path(folder) / "profile.h5"))


def noise_model(
    folder: str | Path, *, read_noise: bool = True, temperature_K: float | None = None
) -> ProfileNoiseModel:
    """Return the noise model of an export, to set as `rpu_config.noise_model`; needs aihwkit in the environment.

    Raises
    ------
    MissingTool
        "the aihwkit noise model needs aihwkit …": aihwkit or torch cannot be imported.
    """
    try:
        from nvmphys.exporters._aihwkit_model import ProfileNoiseModel
    except ImportError as error:
        raise MissingTool(f"the aihwkit noise model needs aihwkit ({error}): pip install 'nvmphys[aihwkit]'") from None
    profile = load_profile(Path(folder) / "profile.h5")
    return ProfileNoiseModel(profile, read_noise=read_noise, temperature_K=temperature_K)


def draws(draw: Draw) -> NDArray[np.float64]:
    """Draw cells (time, target, cell) [S] from the exported profile."""
    return drawn_from_profile(load_profile(Path(draw.folder) / "profile.h5"), draw)


def in_tool(draw: Draw) -> NDArray[np.float64]:
    """Draw cells (time, target, cell) [S] by aihwkit's own programming and drift calls; weights are conductances."""
    import torch
    from aihwkit.inference.converter.base import BaseConductanceConverter

    class OneCellAWeight(BaseConductanceConverter):
        """Weights that are conductances [µS], so that aihwkit converts nothing."""

        def convert_to_conductances(self, weights: torch.Tensor) -> tuple[list[torch.Tensor], dict[str, float]]:
            return [weights], {}

        def convert_back_to_weights(self, conductances: list[torch.Tensor], params: dict[str, float]) -> torch.Tensor:
            return conductances[0]

    torch.manual_seed(draw.seed)
    model = noise_model(draw.folder, read_noise=draw.read_noise, temperature_K=draw.temperature_K)
    model.g_converter = OneCellAWeight()
    weights = torch.tensor(np.repeat(draw.targets_S, draw.n) * 1e6, dtype=torch.float64)
    programmed, state = model.apply_programming_noise(weights)
    first = model.profile.first_time_s
    origin = first if model.profile.drift else 0.0
    out = [
        model.apply_drift_noise(programmed, state, time - origin) if time != first or draw.read_noise else programmed
        for time in draw.times_s
    ]
    drawn = torch.stack(out).numpy() * 1e-6
    return np.asarray(drawn).reshape(len(draw.times_s), len(draw.targets_S), draw.n)
