"""The parts of a profile besides its conductance tables: pulses, read current against voltage, array, confidence."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from nvmphys.errors import BadInput
from nvmphys.records import Basis, SigmaRef

Array = NDArray[np.float64]

DIRECTIONS = ("set", "reset")
"""What a pulse table may be of: pulses that raise the conductance, and pulses that lower it."""


@dataclass(frozen=True)
class PulseTable:
    """What one pulse does: quantiles of ΔG against the conductance G before it.

    Attributes
    ----------
    amplitude_V, width_s : ndarray (pulse,)
        The pulses [V], [s]; NaN where the source does not say.
    level_S : ndarray (level,)
        Conductances before the pulse [S], increasing.
    probability : ndarray (probability,)
    change_S : ndarray (pulse, level, probability)
        Quantiles of ΔG [S]; linear in the normal score between probabilities and in G between levels.
    mean_S, sigma_S : ndarray (pulse, level)
        Mean and σ (absolute) of ΔG [S].
    kept : ndarray (pulse, level)
        Share of the variance of ΔG's rank that a device keeps for life [1]: 0 is cycle to cycle alone, 1 device to
        device alone; NaN where it is not known.
    basis : Basis
    note : str
        What the table is of, in one sentence.
    """

    amplitude_V: Array
    width_s: Array
    level_S: Array
    probability: Array
    change_S: Array
    mean_S: Array
    sigma_S: Array
    kept: Array
    basis: Basis
    note: str
    sigma_ref: SigmaRef = SigmaRef.ABSOLUTE


@dataclass(frozen=True)
class ReadCurrent:
    """How the read current departs from Ohm's law.

    Attributes
    ----------
    read_V : float
        Voltage at which the profile's conductances are read [V].
    level_S : ndarray (level,)
        Conductances at `read_V` [S], increasing.
    voltage_V : ndarray (voltage,)
        Read voltages [V], increasing; 0 is not among them.
    ratio : ndarray (level, voltage)
        I(V)/I(read_V) [1]; V/read_V for an ohmic cell.
    sinh_per_V : ndarray (level,)
        α of the nearest I(V) = I(read_V)·sinh(αV)/sinh(α·read_V) [1/V]; 0 is ohmic.
    sinh_error : ndarray (level,)
        Largest departure of that from `ratio`, as a share of the largest |ratio| [1].
    basis : Basis
    note : str
    """

    read_V: float
    level_S: Array
    voltage_V: Array
    ratio: Array
    sinh_per_V: Array
    sinh_error: Array
    basis: Basis
    note: str


@dataclass(frozen=True)
class Replicates:
    """The tables again and again, as they would be had other devices been measured.

    Attributes
    ----------
    programmed_S : ndarray (replicate, target, probability)
    change : ndarray (replicate, temperature, level, time, probability)
    quantiles_S : ndarray (replicate, temperature, target, time, probability)
    mean_S, sigma_S : ndarray (replicate, temperature, target, time)
        As in `Tables`, on the same axes [S].
    weight : mapping of str to ndarray (replicate,)
        Share of each population that does not follow the target [1].
    basis : Basis
        Measured where devices were resampled and the fit repeated; assumed where intervals had to do.
    method : str
        How they were made, in one sentence.
    """

    programmed_S: Array
    change: Array
    quantiles_S: Array
    mean_S: Array
    sigma_S: Array
    basis: Basis
    method: str
    weight: Mapping[str, Array] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.programmed_S)


Share = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Finite = Annotated[float, Field(allow_inf_nan=False)]
Words = Annotated[str, Field(max_length=2000)]


class Verdict(BaseModel):
    """Outcome of one comparison: whether it was made, whether it passed, its figure, what it is held to, and its words.

    Attributes
    ----------
    status : str
        passed | failed | not_made
    figure, tolerance : float or None
        In `unit`.
    unit : str
    against : str
        What it was compared with: ngspice and its version, the cell's own equations, independent draws.
    words : str
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    status: Literal["passed", "failed", "not_made"]
    figure: Finite | None = None
    tolerance: Finite | None = None
    unit: Words = "1"
    against: Words = ""
    words: Words = ""


class Spread(BaseModel):
    """Statistics of what lines of an array show: mean, σ and largest magnitude, as shares of what `of` says."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    mean: Finite
    sigma: Share
    largest: Share
    of: Words


class Settled(BaseModel):
    """How fast the outputs follow a step of the inputs to the read voltage.

    Attributes
    ----------
    within : float
        Share of what `of` says, `final` (an output's own final current) or `full_scale`, that is settled.
    slowest_s, median_s : float
        Settling time of the slowest output and the median of all [s].
    slowest_bit_line : int
    slowest_elmore_s : float or None
        Elmore delay of that output [s].
    edge_s : float
        Length of the inputs' edge, which is in the times [s].
    energy_J : float
        Given by drivers and sense amplifiers until all have settled [J].
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    within: Share
    of: Literal["final", "full_scale"]
    slowest_s: Share
    median_s: Share
    slowest_bit_line: Annotated[int, Field(ge=0)]
    slowest_elmore_s: Finite | None = None
    edge_s: Share
    energy_J: Finite


class ArraySection(BaseModel):
    """What a crossbar study found; every entry may be absent.

    Attributes
    ----------
    size : list of int
        Word lines, bit lines.
    resistance_ohm : dict
        `wire` (between neighbours), `driver`, `sense` [ohm].
    v_read_V, time_s, temperature_K : float
        Read voltage, time since programming of its cells, temperature.
    ir_drop : Spread
        Voltage lost before a cell, as a share of the voltage at the driver.
    matvec_error : Spread
        Output current less the ideal one, as a share of full scale.
    solver, cell, statistics : Verdict
        The same equations by two solvers; each cell against its own model; the array's statistics against those of
        independent draws.
    capacitance_F : dict
        `line_segment` (of each segment of all lines, to ground), `cell` (across each cell) [F].
    settling : Settled
    transient : Verdict
        Output currents over time after that step, by two integrators.
    error_mean_of_full_scale, error_sigma_of_full_scale : float
        Mean and σ of the output error [1 of full scale].
    spice_checked : bool
    spice : str
        The comparison with ngspice in one line, or why it was not made.
    basis : str
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    size: Annotated[list[Annotated[int, Field(ge=1)]], Field(min_length=2, max_length=2)] | None = None
    resistance_ohm: dict[Literal["wire", "driver", "sense"], Share] | None = None
    v_read_V: Finite | None = None
    time_s: Share | None = None
    temperature_K: Share | None = None
    ir_drop: Spread | None = None
    matvec_error: Spread | None = None
    solver: Verdict | None = None
    cell: Verdict | None = None
    statistics: Verdict | None = None
    capacitance_F: dict[Literal["line_segment", "cell"], Share] | None = None
    settling: Settled | None = None
    transient: Verdict | None = None
    error_mean_of_full_scale: Finite | None = None
    error_sigma_of_full_scale: Share | None = None
    spice_checked: bool | None = None
    spice: Words | None = None
    basis: Basis | None = None


def array_section(found: Mapping[str, Any], where: str = "array") -> dict[str, Any]:
    """Return an array section, checked: the entries that are there, as plain JSON values.

    Raises
    ------
    BadInput
        "array.<entry>: …": an unknown entry or a value against its rule.

    Examples
    --------
    >>> array_section({"size": [64, 64], "solver": {"status": "passed", "figure": 1e-7, "tolerance": 1e-6}})["size"]
    [64, 64]
    """
    try:
        made = ArraySection.model_validate(dict(found))
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part)[:80] for part in first["loc"])
        raise BadInput(f"{where}.{place}: {first['msg']} (got {str(first['input'])[:80]})") from None
    return made.model_dump(mode="json", exclude_none=True)
