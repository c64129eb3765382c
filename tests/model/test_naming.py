"""Every name that manifests take makes ids that Airflow takes, each another's."""

from __future__ import annotations

import re

import pytest
from airflow.sdk import Asset, AssetAlias
from airflow.sdk.configuration import conf
from airflow.sdk.definitions._internal.node import validate_group_key, validate_key
from hypothesis import given, settings
from hypothesis import strategies as st

from airfreight.model import naming
from airfreight.model.alias import freight_alias
from airfreight.model.project import Project

STEADY = settings(derandomize=True, database=None, max_examples=300)
ODD = st.text(max_size=8) | st.text("ab0.-_/A%~ ", min_size=1, max_size=8)
LABEL = st.from_regex(r"[a-z0-9]([-a-z0-9]{0,20}[a-z0-9])?", fullmatch=True)
NAMES = st.lists(LABEL, min_size=1, max_size=3).map(".".join) | st.sampled_from(
    ["freight", "outcome", "gate", "0", "a.b", "a-b"]
)
ULID = "01jz8k9w6v7x2m3n4p5q6r7s8t"
KUBERNETES = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*")


@given(ODD)
@STEADY
def test_a_name_is_taken_exactly_where_kubernetes_takes_it(name):
    """Guard: `kubernetes_name`, the one door for names of all kinds."""
    if KUBERNETES.fullmatch(name):
        assert Project(name=name).name == name
    else:
        with pytest.raises(ValueError, match="expected a Kubernetes name"):
            Project(name=name)


@given(NAMES, NAMES)
@STEADY
def test_airflow_takes_every_id_of_a_name(project, name):
    """Guards: `stage_group_id` maps dots and keeps off the pipeline's own tasks."""
    for dag_id in (naming.warehouse_dag_id(project, name), naming.pipeline_dag_id(project, name)):
        validate_key(dag_id)
    group = naming.stage_group_id(name)
    validate_group_key(group)
    assert group not in (naming.FREIGHT, naming.OUTCOME)
    for task in (naming.GATE, naming.PROMOTE, naming.VERIFY, naming.FORWARD):
        validate_key(naming.stage_task_id(name, task))


@given(NAMES, NAMES)
@STEADY
def test_airflow_leaves_every_asset_as_it_is(project, name):
    """Guard: `kubernetes_name`; a name that Airflow rewrites would lose its register."""
    for uri_of in (
        naming.warehouse_asset,
        naming.watch_asset,
        naming.stage_asset,
        naming.stage_register_asset,
    ):
        uri = uri_of(project, name)
        assert Asset(name=uri, uri=uri).uri == uri
        assert AssetAlias(naming.asset_alias(uri)).name == naming.asset_alias(uri)


@given(st.lists(NAMES, min_size=2, max_size=6, unique=True))
@STEADY
def test_two_stages_never_share_a_group(names):
    """Guard: a name has no ``_``, so that what is put in its place or behind it is nobody's."""
    assert len({naming.stage_group_id(name) for name in names}) == len(names)


@given(st.binary(max_size=8), NAMES)
@STEADY
def test_airflow_takes_every_run_id(seed, stage):
    """Guard: aliases and names of Freight are letters, digits and ``-``."""
    name = seed.hex().ljust(40, "0")
    pattern = conf.get("scheduler", "allowed_run_id_pattern")
    own = naming.freight_run_id(freight_alias(name), name)
    for run_id in (own, naming.next_run_id(own, ULID)):
        assert re.fullmatch(pattern, run_id)
        assert len(run_id) <= naming.LONGEST_ID
    assert KUBERNETES.fullmatch(naming.promotion_name(stage, ULID, name))
