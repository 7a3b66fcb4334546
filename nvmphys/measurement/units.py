"""Units and quantities of file columns: what a header such as `R (kOhm)` names, and how its values become SI."""

from __future__ import annotations

import functools
import itertools
import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np

from nvmphys.errors import BadInput

Values = TypeVar("Values", float, np.ndarray)

_PREFIXES = {
    "f": (1, 10**15),
    "p": (1, 10**12),
    "n": (1, 10**9),
    "u": (1, 10**6),
    "m": (1, 10**3),
    "": (1, 1),
    "k": (10**3, 1),
    "M": (10**6, 1),
    "G": (10**9, 1),
    "T": (10**12, 1),
}


@dataclass(frozen=True)
class Unit:
    """A unit of a file column: SI value = value · numerator / denominator + offset.

    The factor is a ratio of integers, so that 4.7 µS is divided by 1,000,000 and not multiplied by a rounded 1e-6.
    """

    symbol: str
    numerator: int = 1
    denominator: int = 1
    offset: float = 0.0

    def to_si(self, value: Values) -> Values:
        """Convert from this unit to SI; what is too large for a float becomes infinite.

        >>> unit("temperature", "°C").to_si(25.0)
        298.15
        """
        with np.errstate(over="ignore"):
            return value * self.numerator / self.denominator + self.offset

    def from_si(self, value: Values) -> Values:
        """Convert from SI to this unit.

        >>> unit("conductance", "µS").from_si(4.7e-6)
        4.7
        """
        return (value - self.offset) * self.denominator / self.numerator


def _prefixed(base: str, prefixes: str) -> list[Unit]:
    return [Unit(prefix + base, *_PREFIXES[prefix]) for prefix in ("", *prefixes)]


UNITS: Mapping[str, Mapping[str, Unit]] = {
    dimension: {unit.symbol: unit for unit in units}
    for dimension, units in {
        "conductance": [*_prefixed("S", "munpf"), Unit("1/ohm")],
        "resistance": _prefixed("ohm", "mkMGT"),
        "time": [*_prefixed("s", "munpf"), Unit("min", 60), Unit("h", 3600), Unit("d", 86400)],
        "voltage": _prefixed("V", "kmun"),
        "current": _prefixed("A", "munpf"),
        "energy": _prefixed("J", "munpf"),
        "temperature": [Unit("K"), Unit("degC", offset=273.15)],
        "polarization": [Unit("C/m2"), Unit("mC/m2", 1, 1000), Unit("C/cm2", 10_000), Unit("uC/cm2", 1, 100)],
    }.items()
}
"""Known units by dimension and symbol."""

_SPELLINGS = (
    (r"[\s^·*]", ""),
    ("\N{GREEK SMALL LETTER MU}", "u"),
    ("\N{GREEK CAPITAL LETTER OMEGA}", "ohm"),
    (r"_per_", "/"),
    (r"(?i)ohms?$", "ohm"),
    (r"(?i)kelvin$", "K"),
    (r"(?i)(siemens|^mho)$", "S"),
    (r"(?i)volts?$", "V"),
    (r"(?i)amp(ere)?s?$", "A"),
    (r"(?i)sec(ond)?s?$", "s"),
    (r"(?i)^min(ute)?s?$", "min"),
    (r"(?i)^(hours?|hrs?)$", "h"),
    (r"(?i)^days?$", "d"),
)
_MAX_WORDS = 8
_CELSIUS = re.compile(r"(°|deg_?)?(C|celsius)", re.IGNORECASE)


def _symbol(text: str, dimension: str) -> str:
    # NFKC turns the micro sign, the ohm sign, superscripts and ℃ into the letters and digits that they stand for.
    symbol = unicodedata.normalize("NFKC", re.sub("[º˚]", "°", text.strip()))
    for pattern, replacement in _SPELLINGS:
        symbol = re.sub(pattern, replacement, symbol)
    return "degC" if dimension == "temperature" and _CELSIUS.fullmatch(symbol) else symbol


def find_unit(dimension: str, text: str) -> Unit | None:
    """Find a unit by its spelling, or None; upper and lower case may differ where one unit alone fits.

    >>> [found.symbol if (found := find_unit("resistance", text)) else None for text in ("kΩ", "KOhm", "MOHM", "S")]
    ['kohm', 'kohm', 'Mohm', None]
    """
    known = UNITS[dimension]
    symbol = _symbol(text, dimension)
    if symbol in known:
        return known[symbol]
    folded = [found for name, found in known.items() if name.casefold() == symbol.casefold()]
    return folded[0] if len(folded) == 1 else None


def unit(dimension: str, text: str, column: str = "") -> Unit:
    """Return a unit by its spelling.

    Raises
    ------
    BadInput
        "column 'G (mho/cm)': 'mho/cm' is no known unit of conductance; known: S, mS, …".
    """
    found = find_unit(dimension, text)
    if found is None:
        where = f"column {column!r}: " if column else ""
        raise BadInput(
            f"{where}{text!r} is no known unit of {dimension}; known: {', '.join(UNITS[dimension])}. "
            "Correct the header, or name the column and its unit in a column map (a factor that is no unit, "
            "such as an ADC code, must be converted in the file first)"
        )
    return found


@dataclass(frozen=True)
class Quantity:
    """A column of a tidy measurement: its dimension ("" for names and counts) and what files call it."""

    column: str
    dimension: str
    names: tuple[str, ...]


QUANTITIES = (
    Quantity("device_id", "", ("device", "deviceid", "dev", "cell", "cellid", "address", "addr")),
    Quantity("cycle", "", ("cycle", "cycles", "cyclenumber", "ncycle", "cycleno")),
    Quantity("experiment", "", ("experiment",)),
    Quantity("level", "", ("level", "lvl", "bin")),
    Quantity("target_S", "conductance", ("target", "targetconductance", "conductancetarget", "gtarget", "targetg")),
    Quantity("window_S", "conductance", ("window", "acceptancewindow")),
    Quantity("time_s", "time", ("time", "t", "elapsedtime", "timesincewrite", "timesinceprogramming")),
    Quantity("temperature_K", "temperature", ("temperature", "temp", "t")),
    Quantity("voltage_V", "voltage", ("voltage", "v", "readvoltage", "vread", "vbl", "vsl", "vd", "vds", "drainv")),
    Quantity("gate_voltage_V", "voltage", ("gatevoltage", "vg", "vgs", "vgate", "vwl", "gatev")),
    Quantity("current_A", "current", ("current", "i", "readcurrent", "iread", "ibl", "id", "ids", "draini")),
    Quantity("conductance_S", "conductance", ("conductance", "g", "readconductance", "gread")),
    Quantity("verified_S", "conductance", ("verified", "verifyread")),
    Quantity("resistance_ohm", "resistance", ("resistance", "r", "readresistance", "rread")),
    Quantity("pulse_voltage_V", "voltage", ("pulsevoltage", "vpulse", "pulseamplitude", "amplitude")),
    Quantity("pulse_width_s", "time", ("pulsewidth", "tpulse", "width")),
    Quantity("trailing_s", "time", ("trailing", "trailingedge")),
    Quantity("polarization_C_per_m2", "polarization", ("polarization", "polarisation", "p")),
    Quantity("energy_J", "energy", ("energy", "pulseenergy")),
)
"""The quantities that are recognised by name: lower case, letters and digits only."""

DIMENSIONS: Mapping[str, str] = {quantity.column: quantity.dimension for quantity in QUANTITIES}
SI_UNITS: Mapping[str, Unit] = {dimension: next(iter(units.values())) for dimension, units in UNITS.items()}


@dataclass(frozen=True)
class Heading:
    """What a header cell was understood as: a tidy column and unit, or a reason why it was not."""

    header: str
    column: str = ""
    unit: Unit | None = None
    reason: str = ""


def split_header(header: str) -> tuple[str, str] | None:
    """Split off a unit that is marked as such: in brackets, after a slash or after " in "; None where none is.

    >>> split_header("R (kOhm)"), split_header("G/uS"), split_header("P [uC/cm2]"), split_header("time_s")
    (('R', 'kOhm'), ('G', 'uS'), ('P', 'uC/cm2'), None)
    """
    header = header.strip()
    brackets = r"[\[(]([^\])]*)[\])]\Z" if header.endswith(("]", ")")) else None
    for pattern in (brackets, r"/(.*)", r"\sin\s(.*)"):
        match = re.search(pattern, header) if pattern else None
        if match and (name := header[: match.start()].rstrip()):
            return name, match[1].strip()
    return None


def understand(header: str, quantities: Sequence[Quantity] = QUANTITIES) -> Heading:
    """Say which column and unit a header cell names, of the given quantities; nothing is guessed.

    Raises
    ------
    BadInput
        As `unit`, for a quantity that is known with a marked unit that is not.

    Examples
    --------
    >>> found = understand("conductance_uS")
    >>> found.column, found.unit.symbol
    ('conductance_S', 'uS')
    >>> understand("T [°C]").column, understand("t (ms)").column
    ('temperature_K', 'time_s')
    >>> understand("time").reason
    'a time, but its unit is not given'
    """
    header = header.strip()
    marked = split_header(header)
    meant = named(marked[0], quantities) if marked else []
    if marked is None or not meant:
        return _understand_unmarked(header, quantities)
    for quantity in meant:
        found = find_unit(quantity.dimension, marked[1]) if quantity.dimension else None
        if found or not quantity.dimension:
            return Heading(header, quantity.column, found)
    return Heading(header, meant[0].column, unit(meant[0].dimension, marked[1], header))


def _understand_unmarked(header: str, quantities: Sequence[Quantity]) -> Heading:
    if meant := named(header, quantities):
        if not meant[0].dimension:
            return Heading(header, meant[0].column)
        dimensions = " or ".join(quantity.dimension for quantity in meant)
        return Heading(header, reason=f"a {dimensions}, but its unit is not given")
    reason = "its name is not known"
    for name, suffix in _cut_at_gaps(header):
        for quantity in named(name, quantities):
            if not quantity.dimension:
                continue
            if found := find_unit(quantity.dimension, suffix):
                return Heading(header, quantity.column, found)
            known = ", ".join(UNITS[quantity.dimension])
            reason = f"{suffix!r} is no known unit of {quantity.dimension}; known: {known}"
    return Heading(header, reason=reason)


def _cut_at_gaps(header: str) -> list[tuple[str, str]]:
    """Cut a header in two at each of its first gaps; no quantity has a name of more words."""
    gaps = itertools.islice(re.finditer(r"[_\s]+", header), _MAX_WORDS)
    return [(header[: gap.start()], header[gap.end() :]) for gap in gaps]


def named(name: str, quantities: Sequence[Quantity] = QUANTITIES) -> list[Quantity]:
    """Return the quantities that a name without its unit may stand for.

    >>> [quantity.column for quantity in named("V_BL")], [quantity.column for quantity in named("t")]
    (['voltage_V'], ['time_s', 'temperature_K'])
    """
    folded = re.sub(r"[\W_]+", "", name.casefold())
    return [quantity for quantity in quantities if folded in quantity.names]


@functools.lru_cache(maxsize=4096)
def may_name(header: str) -> frozenset[str]:
    """Return the columns whose name a header is, or begins with, whatever unit follows.

    >>> sorted(may_name("G (code)")), sorted(may_name("t")), sorted(may_name("time since noon"))
    (['conductance_S'], ['temperature_K', 'time_s'], ['time_s'])
    """
    marked = split_header(header)
    names = [marked[0] if marked else header, *(name for name, _ in _cut_at_gaps(header))]
    return frozenset(quantity.column for name in names for quantity in named(name))


def engineering(value: float, symbol: str) -> str:
    """Write an SI value as an engineer reads it.

    >>> engineering(4.8023e-7, "S"), engineering(2348.0, "ohm"), engineering(0.0, "A"), engineering(1e5, "s")
    ('480.2 nS', '2.348 kohm', '0 A', '1e+05 s')
    """
    scale, prefix = 1.0, ""
    if symbol in ("S", "V", "A", "ohm") or (symbol == "s" and abs(value) < 1):
        steps = [(numerator / denominator, name) for name, (numerator, denominator) in _PREFIXES.items()]
        scale, prefix = max((step for step in steps if value and abs(value) >= 0.99995 * step[0]), default=(1.0, ""))
    return f"{value / scale:.4g} {prefix}{symbol}".rstrip()
