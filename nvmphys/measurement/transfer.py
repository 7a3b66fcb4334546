"""Transfer curves: threshold voltages at a constant current, and the memory window between them."""

from __future__ import annotations

import numpy as np
import pandas as pd

from nvmphys.errors import BadInput

_CONDITIONS = ("device_id", "cycle", "temperature_K", "voltage_V", "pulse_voltage_V", "pulse_width_s")
"""Columns that tell one transfer curve from another."""


def threshold_voltages(table: pd.DataFrame, at_A: float = 1e-7) -> pd.DataFrame:
    """Return the threshold voltage of each transfer curve: the gate voltage at which the current passes a level.

    Between the two points around the level the logarithm of the current is taken as straight. A curve that passes it
    more than once counts where it does first.

    Parameters
    ----------
    table : DataFrame
        Columns `gate_voltage_V` and `current_A`; one curve for each combination of `device_id`, `cycle`,
        `temperature_K`, `voltage_V` (of the drain), `pulse_voltage_V` and `pulse_width_s`, of those that are there.
    at_A : float, optional
        Level [A]; 100 nA times width over length is usual.

    Returns
    -------
    DataFrame
        Those columns and `threshold_V`, NaN where the current does not pass the level; a row each curve.

    Raises
    ------
    BadInput
        "at_A must be > 0 A", "threshold voltages need gate_voltage_V and current_A".

    Examples
    --------
    >>> gate = np.linspace(0.0, 1.0, 11)
    >>> curve = pd.DataFrame({"gate_voltage_V": gate, "current_A": 1e-9 * 10 ** (gate / 0.1)})
    >>> threshold_voltages(curve, 3e-7)["threshold_V"].round(4).tolist()
    [0.2477]
    """
    if not (np.isfinite(at_A) and at_A > 0):
        raise BadInput(f"at_A must be > 0 A (got {at_A:g} A): 100 nA times width over length is usual")
    missing = [name for name in ("gate_voltage_V", "current_A") if name not in table]
    if missing:
        raise BadInput(f"threshold voltages need gate_voltage_V and current_A (got no {' and no '.join(missing)})")
    by = [name for name in _CONDITIONS if name in table]
    if not by:
        return pd.DataFrame({"threshold_V": [_passed(table, at_A)]})
    curves = table.groupby(by, sort=False, dropna=False)
    found = [(*key, _passed(rows, at_A)) for key, rows in curves]
    return pd.DataFrame(found, columns=[*by, "threshold_V"])


def memory_windows(table: pd.DataFrame, at_A: float = 1e-7) -> pd.DataFrame:
    """Return the memory window of each pair of pulses: the threshold after the negative one less that after the other.

    Positive where a positive pulse turns the polarization towards the channel and lowers the threshold; negative where
    electrons trapped by it raise the threshold more.

    Parameters
    ----------
    table : DataFrame
        Of transfer curves, as for `threshold_voltages`, with `pulse_voltage_V`: pulses of either sign and equal size,
        and of equal `pulse_width_s` where that is there.
    at_A : float, optional
        Level [A].

    Returns
    -------
    DataFrame
        The columns that tell pairs apart, `pulse_voltage_V` > 0, and `window_V`.

    Raises
    ------
    BadInput
        "memory windows need pulse_voltage_V …", and as `threshold_voltages` does.

    Examples
    --------
    >>> gate = np.tile(np.linspace(0.0, 2.0, 21), 2)
    >>> pulses = np.repeat([-3.0, 3.0], 21)
    >>> current = 1e-9 * 10 ** ((gate - np.where(pulses < 0, 1.0, 0.2)) / 0.1)
    >>> table = pd.DataFrame({"gate_voltage_V": gate, "current_A": current, "pulse_voltage_V": pulses})
    >>> memory_windows(table).round(6).to_dict("records")
    [{'pulse_voltage_V': 3.0, 'window_V': 0.8}]
    """
    found = threshold_voltages(table, at_A)
    signs = np.sign(found["pulse_voltage_V"]) if "pulse_voltage_V" in found else pd.Series(dtype=float)
    if not {-1.0, 1.0} <= set(signs):
        raise BadInput("memory windows need pulse_voltage_V of both signs (got none of one sign): pulse both ways")
    keys = [name for name in found if name != "threshold_V"]
    after = [
        found[signs == sign].assign(pulse_voltage_V=lambda rows: rows["pulse_voltage_V"].abs()) for sign in (-1, 1)
    ]
    pairs = after[0].merge(after[1], on=keys, suffixes=("_negative", "_positive"))
    window = pairs["threshold_V_negative"] - pairs["threshold_V_positive"]
    return pairs[keys].assign(window_V=window)


def _passed(rows: pd.DataFrame, at_A: float) -> float:
    """Return the gate voltage at which a curve first passes the level, or NaN."""
    gate = rows["gate_voltage_V"].to_numpy(dtype=float)
    with np.errstate(divide="ignore"):
        above = np.log(np.abs(rows["current_A"].to_numpy(dtype=float)) / at_A)
    crossing = np.flatnonzero((above[:-1] < 0) != (above[1:] < 0))
    if not crossing.size:
        return float("nan")
    k = int(crossing[0])
    if not np.isfinite(above[k : k + 2]).all():  # no current at all at one of the two
        return float(gate[k] if np.isfinite(above[k]) else gate[k + 1])
    return float(gate[k] + (gate[k + 1] - gate[k]) * above[k] / (above[k] - above[k + 1]))
