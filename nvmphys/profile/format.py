"""Version 1 of the profile's format: which attributes and tables a profile is, and every rule they are held to.

A profile is attributes by group and tables by place, whatever file they stand in; HDF5 and JSON + npz are two stores
of the same content (:mod:`nvmphys.profile.hdf5`, :mod:`nvmphys.profile.json_npz`). The JSON form has a published
schema beside this file, `profile-1.schema.json`.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from nvmphys.errors import BadInput, unknown_name
from nvmphys.population.coordinate import Coordinate
from nvmphys.population.history import SCORE_GRID, History
from nvmphys.population.law import Extra
from nvmphys.profile.profile import Tables, VariationProfile
from nvmphys.profile.sections import DIRECTIONS, PulseTable, ReadCurrent, Replicates, array_section
from nvmphys.records import Basis, SigmaRef

Array = NDArray[np.float64]
Read = TypeVar("Read")

SCHEMA = 1
MAX_NODES = 1000
"""Most time nodes of a history: its correlation is a full matrix."""
MAX_VALUES = 50_000_000
"""Largest table that is read; a larger one is refused before memory is asked for it."""
MAX_TOTAL = 150_000_000
"""Most values of all tables together."""
MAX_MEMBERS = 1000
"""Most entries of a group that is read."""
MAX_DEPTH = 32
"""Deepest nesting of the JSON that is read."""

AXES = ("target_S", "time_s", "temperature_K", "probability", "level_S")
TABLES: Mapping[str, tuple[str, tuple[str, ...]]] = {
    "programmed_S": ("/programmed/quantiles_S", ("target", "probability")),
    "change": ("/change/quantiles", ("temperature", "level", "time", "probability")),
    "quantiles_S": ("/conductance/quantiles_S", ("temperature", "target", "time", "probability")),
    "mean_S": ("/conductance/mean_S", ("temperature", "target", "time")),
    "sigma_S": ("/conductance/sigma_S", ("temperature", "target", "time")),
    "correlation": ("/correlation", ("temperature", "target", "time", "time")),
}
"""Tables by attribute of `Tables`: where they stand, and along which axes."""
HISTORY = ("times_s", "step_quantiles", "correlation", "path_quantiles")
PULSES = ("amplitude_V", "width_s", "level_S", "probability", "change_S", "mean_S", "sigma_S", "kept")
READ_IV = ("level_S", "voltage_V", "ratio", "sinh_per_V", "sinh_error")
REPLICATES = ("programmed_S", "change", "quantiles_S", "mean_S", "sigma_S")
TEXTS: Mapping[str, type] = {
    "basis": dict, "validity": dict, "array": dict, "provenance": dict, "assumptions": list, "unknown": list,
}  # fmt: skip
"""Attributes of / that are JSON of their own."""
BASIS_OF: Mapping[str, str] = {
    "/programmed": "programmed", "/change": "change", "/conductance": "conductance", "/history": "history",
    "/correlation": "history", "/read_noise": "read_noise", "/drift": "change",
}  # fmt: skip
"""Entry of the profile's basis that a table's own must agree with, by the front of its place."""
_NO_BASIS = ("not known", "not known apart")


@dataclass(frozen=True)
class Content:
    """Attributes by group, and tables by place."""

    attributes: dict[str, dict[str, Any]] = field(default_factory=dict)
    tables: dict[str, Array] = field(default_factory=dict)


class Store(Protocol):
    """An open file: what it holds at a place, refused with the rule where it is not what it must be."""

    def attribute(self, group: str, name: str) -> Any:
        """Return an attribute as a Python value; None where it is absent."""
        ...

    def table(self, place: str) -> Array:
        """Return a table of numbers."""
        ...

    def has(self, place: str) -> bool:
        """Tell whether there is such a group or table."""
        ...

    def members(self, group: str) -> list[str]:
        """Return the names within a group; none where it is absent."""
        ...

    def table_attribute(self, place: str, name: str) -> Any:
        """Return what a table says of itself; None where it says nothing."""
        ...


def content_of(profile: VariationProfile) -> Content:
    """Return what is written of a profile."""
    made = Content()
    tables, attributes = made.tables, made.attributes
    attributes["/"] = {
        "schema": SCHEMA, "name": profile.name, "technology": profile.technology,
        "coordinate": profile.coordinate.kind, "floor_S": float(profile.coordinate.floor_S),
        "level_is_programmed": bool(profile.level_is_programmed),
        "programming_correlation": float(profile.programming_correlation), "extrapolates": bool(profile.extrapolates),
        "sigma_ref": str(SigmaRef.ABSOLUTE),
    }  # fmt: skip
    for name, kind in TEXTS.items():
        attributes["/"][name] = plain(kind(getattr(profile, name)))
    tables |= {f"/axes/{name}": getattr(profile.tables, name) for name in AXES}
    tables |= {place: getattr(profile.tables, name) for name, (place, _) in TABLES.items()}
    tables |= {f"/history/{name}": getattr(profile.history, name) for name in HISTORY}
    attributes["/history"] = {"dof": float(profile.history.dof)}
    if profile.read_noise_S is not None:
        tables["/read_noise/sigma_S"] = profile.read_noise_S
        if profile.read_duration_s is not None:
            attributes["/read_noise"] = {"duration_s": float(profile.read_duration_s)}
    if profile.sigma_range_S is not None:
        tables["/confidence/sigma_range_S"] = profile.sigma_range_S
    tables |= {f"/drift/{name}": value for name, value in profile.drift.items()}
    for name, extra in profile.extras.items():
        group = f"/faults/{name}"
        tables[f"{group}/quantiles_S"] = extra.quantiles_S
        attributes[group] = {
            "weight": float(extra.weight), "interval": [float(x) for x in extra.interval], "basis": str(extra.basis),
            "note": extra.note, "stays": bool(extra.stays),
        }  # fmt: skip
    _put_sections(profile, made)
    for place in tables:
        tables[place] = np.asarray(tables[place], dtype=np.float64, order="C")  # a number stays a number
    return made


def _put_sections(profile: VariationProfile, made: Content) -> None:
    """Add pulses, read current and replicates."""
    for direction, pulses in profile.pulse_update.items():
        group = f"/pulse_update/{direction}"
        made.tables.update({f"{group}/{name}": getattr(pulses, name) for name in PULSES})
        made.attributes[group] = {
            "basis": str(pulses.basis), "note": pulses.note, "sigma_ref": str(pulses.sigma_ref),
        }  # fmt: skip
    if (read := profile.read_iv) is not None:
        made.tables.update({f"/read_iv/{name}": getattr(read, name) for name in READ_IV})
        made.attributes["/read_iv"] = {"read_V": float(read.read_V), "basis": str(read.basis), "note": read.note}
    if (found := profile.replicates) is not None:
        group = "/confidence/replicates"
        made.tables.update({f"{group}/{name}": getattr(found, name) for name in REPLICATES})
        made.tables.update({f"{group}/weight/{name}": weight for name, weight in found.weight.items()})
        made.attributes[group] = {"basis": str(found.basis), "method": found.method}


def described(place: str, content: Content) -> dict[str, str]:
    """Return what a table says of itself: unit, basis and, of a σ, what it refers to.

    >>> described("/axes/time_s", Content())
    {'unit': 's'}
    """
    name = place.rsplit("/", 1)[1]
    found = {"unit": unit_of(place, content.attributes.get("/", {}).get("coordinate", "linear"))}
    basis = _stated_basis(place, content)
    if basis:
        found["basis"] = basis
    if name in ("sigma_S", "sigma_range_S"):
        found["sigma_ref"] = str(SigmaRef.ABSOLUTE)
    return found


def unit_of(place: str, coordinate: Any) -> str:
    """Return the unit that a table at a place is in, by its name and, of a change, by the profile's coordinate.

    >>> unit_of("/read_iv/sinh_per_V", "log"), [unit_of("/change/quantiles", kind) for kind in ("log", "linear")]
    ('1/V', ['1', 'S'])
    """
    name = place.rsplit("/", 1)[1]
    if place == "/change/quantiles" or place.endswith("/replicates/change"):
        return "1" if coordinate == "log" else "S"
    if "/replicates/weight/" in place:  # its name is that of a population
        return "1"
    units = {"S": "S", "s": "s", "K": "K", "V": "V"}
    return "1/V" if name.endswith("_per_V") else units.get(name.rsplit("_", 1)[-1], "1")


def _stated_basis(place: str, content: Content) -> str:
    """Return the basis of a table: of its group, or the profile's entry for it."""
    group = place.rsplit("/", 1)[0]
    while group:
        own = content.attributes.get(group, {}).get("basis")
        if isinstance(own, str):
            return own
        group = group.rsplit("/", 1)[0]
    whole = content.attributes.get("/", {}).get("basis", {})
    return str(next((whole[entry] for front, entry in BASIS_OF.items() if place.startswith(front) and entry in whole),
                    ""))  # fmt: skip


class Allowance:
    """How many values may still be read of a file."""

    def __init__(self, where: Any) -> None:
        self.where, self.left = where, MAX_TOTAL

    def take(self, place: str, values: int) -> None:
        """Count a table that is about to be read.

        Raises
        ------
        BadInput
            One table, or all together, beyond what is read.
        """
        if values > MAX_VALUES:
            raise BadInput(f"{self.where}: {place} holds {values:g} values, more than {MAX_VALUES:g}: refused")
        self.left -= values
        if self.left < 0:
            raise BadInput(f"{self.where}: its tables hold more than {MAX_TOTAL:g} values together: refused")


class Rules:
    """Reads single entries of a store, held to the rules of their kind, and collects those that are broken.

    Attributes
    ----------
    faults : list of str
        A sentence each, in the order found.
    """

    def __init__(self, store: Store, where: Any) -> None:
        self.store, self.where = store, where
        self.faults: list[str] = []

    def fault(self, rule: str) -> None:
        """Note a broken rule."""
        self.faults.append(f"{self.where}: {rule}")

    def tried(self, read: Callable[..., Read], *arguments: Any) -> Read | None:
        """Return what is read, or None and the rule noted."""
        try:
            return read(*arguments)
        except BadInput as error:
            self.faults.append(str(error))
        except KeyError as error:
            self.fault(f"{error.args[0]}: not a whole variation profile")
        return None

    def refuse(self, rule: str) -> BadInput:
        """Return the error for a broken rule."""
        return BadInput(f"{self.where}: {rule}")

    def number(self, group: str, name: str) -> float:
        """Return an attribute that is one number, infinite perhaps but not NaN."""
        value = self.store.attribute(group, name)
        if isinstance(value, str) and value in ("Infinity", "-Infinity"):
            value = float(value)
        if not isinstance(value, int | float) or value != value:  # no np.isnan: of an integer beyond 64 bits it fails
            raise self.refuse(f"attribute {name} of {group} must be a number")
        try:
            return float(value)
        except OverflowError:
            raise self.refuse(f"attribute {name} of {group} must be a number that a float64 holds") from None

    def text(self, group: str, name: str) -> str:
        """Return an attribute that is one text."""
        value = self.store.attribute(group, name)
        if not isinstance(value, str) or any("\ud800" <= sign <= "\udfff" for sign in value):
            raise self.refuse(f"attribute {name} of {group} must be a text")
        return value

    def table(self, place: str) -> Array:
        """Return a table that must be there; what it says of itself wrongly is noted."""
        if not self.store.has(place):
            raise self.refuse(f"{place} is missing: not a whole variation profile")
        table = self.store.table(place)
        ref = self.store.table_attribute(place, "sigma_ref")
        if ref is not None and ref != SigmaRef.ABSOLUTE:
            self.fault(f"{place}: sigma_ref must be absolute (got {str(ref)[:40]!r})")
        unit, wanted = (
            self.store.table_attribute(place, "unit"),
            unit_of(place, self.store.attribute("/", "coordinate")),
        )
        if unit is not None and unit != wanted:
            self.fault(f"{place}: unit must be {wanted} (got {str(unit)[:40]!r}): convert the values to it")
        return table

    def _has(self, place: str) -> bool:
        return bool(self.tried(self.store.has, place))

    def _yes_or_no(self, group: str, name: str, default: bool | None = None) -> bool:
        if default is not None and self.store.attribute(group, name) is None:
            return default
        return bool(self.number(group, name))

    def _within(self, group: str, name: str, low: float, high: float) -> float:
        value = self.number(group, name)
        if not low <= value <= high:
            front = "" if group == "/" else f"{group}: "
            raise self.refuse(f"{front}{name} must lie within {low:g} … {high:g} (got {value:g})")
        return value

    def _json(self, name: str, kind: type) -> Any:
        value = self.store.attribute("/", name)
        if not isinstance(value, kind):
            raise self.refuse(f"attribute {name} of / must be a JSON {'object' if kind is dict else 'list'}")
        if too_deep(value):
            raise self.refuse(f"attribute {name} of / is nested more than {MAX_DEPTH} levels deep")
        sentences: Any = value
        if kind is list and not all(isinstance(entry, str) for entry in sentences):
            raise self.refuse(f"attribute {name} of / must be a list of sentences")
        return value

    def _basis_of(self, group: str) -> Basis:
        basis = self.text(group, "basis")
        if basis not in list(Basis):
            raise unknown_name(f"basis in {self.where}: {group}:", basis[:80], Basis)
        return Basis(basis)

    def _shapes(
        self, group: str, found: Mapping[str, Array], shapes: Mapping[str, tuple[int, ...]],
        may_be_nan: tuple[str, ...] = (),
    ) -> None:  # fmt: skip
        for name, shape in shapes.items():
            if found[name].shape != shape or not found[name].size:
                raise self.refuse(
                    f"{group}/{name} must have shape {shape} and hold something (got {found[name].shape})"
                )
            bad = np.isinf(found[name]) if name in may_be_nan else ~np.isfinite(found[name])
            if bad.any():
                raise self.refuse(f"{group}/{name} must hold finite numbers only")

    def _axis(self, place: str, values: Array) -> None:
        if np.any(np.diff(values) <= 0):
            raise self.refuse(f"{place} must increase")
        if place.endswith("/probability") and (values.size < 2 or not 0 < values[0] <= values[-1] < 1):
            raise self.refuse(f"{place} must be two or more probabilities inside 0 … 1")

    def _optional(self, place: str, shape: tuple[int, ...]) -> Array | None:
        """Return a table that need not be there: not negative, NaN where nothing is known."""
        if not self.store.has(place):
            return None
        table = self.table(place)
        if table.shape != shape:
            raise self.refuse(f"{place} must have shape {shape} (got {table.shape})")
        if np.any(np.isinf(table)) or np.any(table < 0):
            raise self.refuse(f"{place} must hold finite numbers >= 0, or NaN where nothing is known")
        return table


class Reader(Rules):
    """Reads a profile from a store, and collects the rules that it breaks.

    Attributes
    ----------
    found : VariationProfile or None
        None where a rule is broken.
    """

    def __init__(self, store: Store, where: Any) -> None:
        super().__init__(store, where)
        self.found = self._profile()

    def _profile(self) -> VariationProfile | None:
        schema = self.tried(self.number, "/", "schema")
        if schema is not None and schema != SCHEMA:
            self.fault(f"schema must be {SCHEMA} (got {schema:g}): written by another version of nvmphys")
        if schema != SCHEMA:
            return None
        tables = self._tables()
        own: dict[str, Any] = {
            "name": self.tried(self.text, "/", "name"),
            "technology": self.tried(self.text, "/", "technology"),
            "coordinate": self.tried(self._coordinate),
            "level_is_programmed": self.tried(self._yes_or_no, "/", "level_is_programmed"),
            "programming_correlation": self.tried(self._within, "/", "programming_correlation", -1.0, 1.0),
            "extrapolates": self.tried(self._yes_or_no, "/", "extrapolates", True),
            "history": self.tried(self._history),
            "drift": self._by_name("/drift", self._drift),
            "extras": self._by_name("/faults", self._extra),
            "pulse_update": self._by_name("/pulse_update", self._pulses),
            "read_iv": self.tried(self._read_iv) if self._has("/read_iv") else None,
        }
        self.tried(self._sigma_ref)
        texts: dict[str, Any] = {name: self.tried(self._json, name, kind) for name, kind in TEXTS.items()}
        if texts["array"] is not None:
            texts["array"] = self.tried(array_section, texts["array"], f"{self.where}: array")
        self.tried(self._basis, texts["basis"])
        if texts["basis"] is not None:
            self.tried(self._agreement, texts["basis"])
        if tables is not None:
            own |= self._confidence(tables, own["extras"])
        if tables is None or self.faults:
            return None
        texts |= {name: tuple(texts[name]) for name, kind in TEXTS.items() if kind is list}
        return VariationProfile(tables=tables, **own, **texts)

    def _basis(self, basis: Any) -> None:
        known = (*map(str, Basis), *_NO_BASIS)
        for part, word in (basis or {}).items():
            if word not in known:
                raise unknown_name(f"basis in {self.where}: {str(part)[:40]}:", str(word), known)

    def _sigma_ref(self) -> None:
        ref = self.store.attribute("/", "sigma_ref")
        if ref != SigmaRef.ABSOLUTE:
            raise self.refuse(f"attribute sigma_ref of / must be absolute (got {str(ref)[:40]!r})")

    def _agreement(self, basis: Mapping[str, str]) -> None:
        """Hold what a table says of its basis against the profile's."""
        for front, entry in BASIS_OF.items():
            for name in [""] if front == "/correlation" else self.store.members(front):
                place = f"{front}/{name}" if name else front
                own = self.store.table_attribute(place, "basis")
                if own is not None and own != basis.get(entry):
                    self.fault(f"{place}: basis must be the profile's ({basis.get(entry)!r}; got {str(own)[:40]!r})")

    def _coordinate(self) -> Coordinate:
        floor = self.number("/", "floor_S")
        if not 0 <= floor < np.inf:
            raise self.refuse(f"floor_S must be a finite conductance >= 0 S (got {floor:g} S)")
        try:
            return Coordinate(self.text("/", "coordinate")[:80], floor)
        except BadInput as error:
            if str(self.where) in str(error):
                raise
            raise self.refuse(str(error)) from None

    def _tables(self) -> Tables | None:
        """Return the tables where they can be read, all rules that they break noted."""
        found: dict[str, Any] = {name: self.tried(self.table, f"/axes/{name}") for name in AXES}
        found |= {name: self.tried(self.table, place) for name, (place, _) in TABLES.items()}
        if any(table is None for table in found.values()):
            return None
        tables = Tables(**found)
        for rule in broken_rules(tables):
            self.fault(rule)
        return tables

    def _history(self) -> History:
        times, steps, correlation, path = (self.table(f"/history/{name}") for name in HISTORY)
        history = History(times, steps, correlation, self.number("/history", "dof"), path)
        if rule := broken_history(history):
            raise self.refuse(rule)
        return history

    def _by_name(self, group: str, read: Callable[[str], Read]) -> dict[str, Read]:
        names = self.tried(self.store.members, group) or []
        if len(names) > MAX_MEMBERS:
            self.fault(f"{group} holds {len(names)} entries, more than {MAX_MEMBERS}: refused")
            return {}
        found = {name: self.tried(read, f"{group}/{name}") for name in names}
        return {name: each for name, each in found.items() if each is not None}

    def _drift(self, place: str) -> float | Array:
        value = self.table(place)
        if not np.all(np.isfinite(value)):
            raise self.refuse(f"{place} must hold finite numbers only")
        return float(value) if value.ndim == 0 else value

    def _extra(self, group: str) -> Extra:
        quantiles = self.table(f"{group}/quantiles_S")
        weight = self._within(group, "weight", 0.0, 1.0)
        interval = self.store.attribute(group, "interval")
        pair = isinstance(interval, list) and len(interval) == 2 and all(isinstance(x, int | float) for x in interval)
        if not pair or not 0 <= interval[0] <= interval[1] <= 1:
            raise self.refuse(f"{group}: interval must be two shares within 0 … 1, the lower first")
        if quantiles.ndim != 1 or (weight > 0 and not quantiles.size) or not is_increasing(quantiles, 0):
            raise self.refuse(f"{group}: quantiles_S must be a list of conductances in S that do not decrease")
        low, high = interval
        basis, note = self._basis_of(group), self.text(group, "note")
        stays = self._yes_or_no(group, "stays", False)
        return Extra(weight, (float(low), float(high)), quantiles, basis, note, stays)

    def _pulses(self, group: str) -> PulseTable:
        direction = group.rsplit("/", 1)[1]
        if direction not in DIRECTIONS:
            raise unknown_name(f"direction in {self.where}: /pulse_update:", direction, DIRECTIONS)
        found: dict[str, Any] = {name: self.table(f"{group}/{name}") for name in PULSES}
        pulse, level, p = (found[name].size for name in ("amplitude_V", "level_S", "probability"))
        shapes = {
            "amplitude_V": (pulse,), "width_s": (pulse,), "level_S": (level,), "probability": (p,),
            "change_S": (pulse, level, p), "mean_S": (pulse, level), "sigma_S": (pulse, level), "kept": (pulse, level),
        }  # fmt: skip
        self._shapes(group, found, shapes, may_be_nan=("amplitude_V", "width_s", "kept"))
        for name in ("level_S", "probability"):
            self._axis(f"{group}/{name}", found[name])
        if not is_increasing(found["change_S"]):
            raise self.refuse(f"{group}/change_S: quantiles must not decrease along probability")
        kept = found["kept"][np.isfinite(found["kept"])]
        if np.any(found["sigma_S"] < 0) or np.any((kept < 0) | (kept > 1 + 1e-12)):
            raise self.refuse(f"{group}: sigma_S must be >= 0 and kept lie within 0 … 1")
        if self.text(group, "sigma_ref") != SigmaRef.ABSOLUTE:
            raise self.refuse(f"{group}: sigma_ref must be absolute")
        return PulseTable(**found, basis=self._basis_of(group), note=self.text(group, "note"))

    def _read_iv(self) -> ReadCurrent:
        group = "/read_iv"
        found = {name: self.table(f"{group}/{name}") for name in READ_IV}
        level, volts = found["level_S"].size, found["voltage_V"].size
        shapes = {
            "level_S": (level,), "voltage_V": (volts,), "ratio": (level, volts), "sinh_per_V": (level,),
            "sinh_error": (level,),
        }  # fmt: skip
        self._shapes(group, found, shapes)
        for name in ("level_S", "voltage_V"):
            self._axis(f"{group}/{name}", found[name])
        read_V = self.number(group, "read_V")
        if read_V == 0 or not np.isfinite(read_V):
            raise self.refuse(f"{group}: read_V must be finite and not 0 V (got {read_V:g} V)")
        return ReadCurrent(read_V, **found, basis=self._basis_of(group), note=self.text(group, "note"))

    def _confidence(self, tables: Tables, extras: Mapping[str, Extra]) -> dict[str, Any]:
        """Return what needs the axes: read noise, what is left open of σ, replicates."""
        shape = tables.target_S.size, tables.time_s.size
        found: dict[str, Any] = {
            "read_noise_S": self.tried(self._optional, "/read_noise/sigma_S", shape),
            "sigma_range_S": self.tried(self._optional, "/confidence/sigma_range_S", (2, *shape)),
            "read_duration_s": None,
            "replicates": None,
        }
        if found["read_noise_S"] is not None and self.store.attribute("/read_noise", "duration_s") is not None:
            duration = self.tried(self.number, "/read_noise", "duration_s")
            if duration is not None and not 0 < duration < np.inf:
                self.fault(f"attribute duration_s of /read_noise must be > 0 s (got {duration:g} s)")
            found["read_duration_s"] = duration
        if self._has("/confidence/replicates"):
            found["replicates"] = self.tried(self._replicates, tables, extras)
        return found

    def _replicates(self, tables: Tables, extras: Mapping[str, Extra]) -> Replicates:
        group = "/confidence/replicates"
        found = {name: self.table(f"{group}/{name}") for name in REPLICATES}
        count = found["programmed_S"].shape[:1]
        for name, table in found.items():
            wanted = (*count, *getattr(tables, name).shape)
            if table.shape != wanted or count == (0,):
                raise self.refuse(f"{group}/{name} must have shape {wanted} (got {table.shape})")
            if not np.all(np.isfinite(table)):
                raise self.refuse(f"{group}/{name} must hold finite numbers only")
            if name in ("programmed_S", "change", "quantiles_S") and np.any(np.diff(table, axis=-1) < 0):
                raise self.refuse(f"{group}/{name}: quantiles must not decrease along probability")
        if np.any(found["sigma_S"] < 0) or min(found[name].min() for name in ("programmed_S", "quantiles_S")) < 0:
            raise self.refuse(f"{group}: conductances and sigma_S must be >= 0")
        weight = {}
        for name in self.store.members(f"{group}/weight"):
            shares = self.table(f"{group}/weight/{name}")
            if name not in extras or shares.shape != count or not np.all((shares >= 0) & (shares <= 1)):
                raise self.refuse(f"{group}/weight/{name} must be {count[0]} shares of a population of the profile")
            weight[name] = shares
        return Replicates(**found, basis=self._basis_of(group), method=self.text(group, "method"), weight=weight)


def is_increasing(values: Array, lowest: float = -np.inf) -> bool:
    """Tell whether values are finite, no less than the lowest, and do not decrease along the last axis."""
    return bool(np.all(np.isfinite(values)) and np.all(values >= lowest) and np.all(np.diff(values, axis=-1) >= 0))


def broken_rules(tables: Tables) -> list[str]:
    """Return the rules that a profile's tables break, a sentence each: axes, shapes, order.

    >>> import nvmphys as nv
    >>> broken_rules(nv.build_profile(nv.load_card("rram_milo_2021"), [1e-4], [0.0], rng=1).tables)
    []
    """
    found = []
    sizes = {name.rsplit("_", 1)[0]: getattr(tables, name).size for name in AXES}
    for name in AXES:
        axis = getattr(tables, name)
        if axis.ndim != 1 or axis.size == 0 or not np.all(np.isfinite(axis)) or np.any(np.diff(axis) <= 0):
            found.append(f"axis {name} must be finite, increasing and not empty")
    p = tables.probability.ravel()
    if p.size < 2 or not (p[0] > 0 and p[-1] < 1):
        found.append("axis probability must be two or more values inside 0 … 1")
    for name, lowest in (("target_S", 0.0), ("level_S", 0.0), ("time_s", 0.0), ("temperature_K", 0.0)):
        if getattr(tables, name).size and getattr(tables, name).min() < lowest:
            found.append(f"axis {name} must not be negative")
    for name, (_, axes) in TABLES.items():
        table = getattr(tables, name)
        expected = tuple(sizes[axis] for axis in axes)
        if table.shape != expected:
            found.append(f"{name} must have shape {expected} {axes} (got {table.shape})")
        elif not np.all(np.isfinite(table)):
            found.append(f"{name} must hold finite numbers only")
        elif axes[-1] == "probability" and np.any(np.diff(table, axis=-1) < 0):
            found.append(f"{name}: quantiles must not decrease along probability")
        elif name in ("programmed_S", "quantiles_S", "mean_S", "sigma_S") and table.min() < 0:
            found.append(f"{name} must be >= 0")
        elif name == "correlation" and np.any(np.abs(table) > 1 + 1e-9):
            found.append("correlation must lie within -1 … 1")
    return found


def broken_history(history: History) -> str:
    """Return the first rule that a history breaks: shapes, order, its correlation matrix; empty where none."""
    n = history.times_s.size
    if history.times_s.ndim != 1 or not 0 < n <= MAX_NODES or not np.all(np.isfinite(history.times_s)):
        return f"/history/times_s must be 1 to {MAX_NODES} finite times"
    if np.any(np.diff(history.times_s) <= 0):
        return "/history/times_s must increase"
    if history.step_quantiles.shape != (n, SCORE_GRID.size) or history.path_quantiles.shape != (n, SCORE_GRID.size):
        return f"/history tables must have shape ({n}, {SCORE_GRID.size})"
    if not is_increasing(history.step_quantiles) or not is_increasing(history.path_quantiles):
        return "/history quantiles must be finite and not decrease"
    c = history.correlation
    whole = c.shape == (n, n) and bool(np.all(np.abs(c) <= 1 + 1e-9)) and np.allclose(c, c.T)
    if not whole or np.linalg.eigvalsh(c).min() <= 0:
        return f"/history/correlation must be a positive definite {n}×{n} matrix"
    return "" if history.dof > 0 else f"/history dof must be > 0 (got {history.dof:g})"


def too_deep(value: Any) -> bool:
    """Tell whether lists and objects are nested beyond `MAX_DEPTH`.

    >>> too_deep([[]]), too_deep({})
    (False, False)
    """
    level = [value]
    for _ in range(MAX_DEPTH):
        inner = [entry for item in level for entry in (item.values() if isinstance(item, dict) else item)]
        level = [entry for entry in inner if isinstance(entry, dict | list)]
    return bool(level)


def plain(value: Any) -> Any:
    """Return what JSON makes of a value, NumPy's among them."""
    return json.loads(json.dumps(value, default=_python))


def _python(value: Any) -> Any:
    if isinstance(value, np.ndarray | np.generic):
        return value.tolist()
    raise TypeError(f"{type(value).__name__} is not JSON")
