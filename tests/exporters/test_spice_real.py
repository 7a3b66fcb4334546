"""Inside the real ngspice: it takes the library, conducts the means, and draws the spread."""

from __future__ import annotations

import numpy as np

from nvmphys.exporters import export, spice
from nvmphys.exporters.tools import Draw


def test_ngspice_conducts_the_means_of_every_target(ngspice, full, tmp_path):
    export(full, "spice", tmp_path)
    tables = full.tables
    for k, time in enumerate(tables.time_s):
        found = spice.means_in_ngspice(tmp_path, tables.target_S, float(time))
        np.testing.assert_allclose(found, tables.mean_S[0, :, k], rtol=1e-6)


def test_ngspice_draws_the_spread_and_a_seed_repeats_it(ngspice, full, tmp_path):
    export(full, "spice", tmp_path)
    target, cells = full.tables.target_S[3], 400
    draw = Draw("spice", str(tmp_path), (float(target),), (3600.0,), cells, 7)
    first, again = (spice.in_tool(draw)[0, 0] for _ in range(2))
    np.testing.assert_array_equal(first, again)
    mean, sigma = full.tables.mean_S[0, 3, 1], full.tables.sigma_S[0, 3, 1]
    assert abs(first.mean() - mean) < 4 * sigma / np.sqrt(cells)
    assert abs(first.std() - sigma) < 4 * sigma / np.sqrt(2 * cells)
