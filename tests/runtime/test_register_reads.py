"""What decides costs as many reads, whatever Freight has passed."""

from __future__ import annotations

import pytest

from tests.runtime.many import gate_decides, passed, promote_starts, reads


@pytest.mark.parametrize("act", [gate_decides, promote_starts])
def test_a_decision_reads_as_many_keys_of_a_large_register_as_of_a_small_one(act):
    small, large = passed(10), passed(300)
    few = reads(small[0], act, small[1])
    assert 0 < few < 25
    assert reads(large[0], act, large[1]) == few
