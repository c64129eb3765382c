from __future__ import annotations

from dataclasses import fields

import pytest

from airfreight.errors import SettingsError
from airfreight.expr.limits import DEFAULT_LIMITS, Limits
from airfreight.runtime.settings import Settings, environment_values, read_values, setting_names


def test_what_is_not_set_has_its_default():
    assert read_values({}) == Settings()
    assert read_values(dict.fromkeys(setting_names())) == Settings()


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("allow_loopback", "True", True),
        ("allow_loopback", "t", True),
        ("allow_loopback", "0", False),
        ("allow_loopback", "false # closed", False),
        ("gate_look_interval", "30", 30.0),
        ("expression_steps", "1000", 1000),
        ("expression_steps", " 2000 # fewer", 2000),
        ("expression_time", "1.5", 1.5),
        ("author_name", "Robot #7", "Robot #7"),
        ("workspace_folder", "", ""),
        ("cache_by_tag_policy", "Require", "Require"),
    ],
)
def test_a_setting_is_read_by_its_type(name, text, value):
    assert getattr(read_values({name: text}), name) == value


@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [
        ("allow_loopback", "maybe", "true or false, got 'maybe'"),
        ("gate_look_interval", "soon", "a number, got 'soon'"),
        ("expression_steps", "1e6", "a whole number from 1000 to 10000000, got '1e6'"),
        ("expression_steps", "", "a whole number from 1000 to 10000000, got ''"),
        ("expression_steps", "999", "a whole number from 1000 to 10000000, got '999'"),
        ("expression_depth", "101", "a whole number from 20 to 100, got '101'"),
        ("expression_time", "nan", "a number from 0.05 to 30.0, got 'nan'"),
        (
            "cache_by_tag_policy",
            "forbid",
            "one of Forbid, Allow, Require, Force, got 'forbid'",
        ),
        ("image_registry_rate_limit", "0", "a whole number from 1 to 10000, got '0'"),
        ("expression_time", "0", "a number from 0.05 to 30.0, got '0'"),
    ],
)
def test_a_bad_value_is_named_with_section_key_and_what_was_expected(name, text, expected):
    with pytest.raises(SettingsError) as caught:
        read_values({name: text})
    assert str(caught.value) == f"setting [airfreight] {name}: expected {expected}"


@pytest.mark.parametrize("limit", fields(Limits), ids=lambda limit: limit.name)
def test_every_limit_is_a_setting_with_the_same_default(limit):
    assert Settings().expression_limits() == DEFAULT_LIMITS
    least = limit.metadata["least"]
    lowered = read_values({f"expression_{limit.name}": str(least)}).expression_limits()
    assert getattr(lowered, limit.name) == least


def test_settings_are_found_in_the_environment_as_airflow_finds_them():
    environ = {"AIRFLOW__AIRFREIGHT__EXPRESSION_NODES": "500", "AIRFLOW__CORE__PARALLELISM": "1"}
    assert environment_values(environ)["expression_nodes"] == "500"
    assert read_values(environment_values(environ)) == Settings(expression_nodes=500)


def test_operators_notifiers_and_roles_are_objects_and_empty_where_nobody_set_them():
    assert (Settings().allowed_operators(), Settings().user_roles()) == ({}, {})
    assert Settings().allowed_notifiers() == {}
    roles = '{"leads": ["alice", "bob"]}'
    read = read_values(
        {"operators": '{"bash": "a.B"}', "notifiers": '{"chat": "a.C"}', "roles": roles}
    )
    assert read.allowed_operators() == {"bash": "a.B"}
    assert read.allowed_notifiers() == {"chat": "a.C"}
    assert read.user_roles() == {"leads": ("alice", "bob")}


@pytest.mark.parametrize("text", ["bash=a.B", "[]", '{"bash": 1}', '{"bash": "B"}', "[" * 10_000])
def test_operators_and_notifiers_that_are_no_object_of_import_paths_are_refused(text):
    settings = read_values({"operators": text, "notifiers": text})
    with pytest.raises(SettingsError, match=r"setting \[airfreight\] operators: expected JSON"):
        settings.allowed_operators()
    with pytest.raises(SettingsError, match=r"setting \[airfreight\] notifiers: expected JSON"):
        settings.allowed_notifiers()


@pytest.mark.parametrize("text", ["leads", '{"leads": "alice"}', '{"leads": [1]}'])
def test_roles_that_are_no_object_of_lists_are_refused(text):
    with pytest.raises(SettingsError, match=r"setting \[airfreight\] roles: expected JSON"):
        read_values({"roles": text}).user_roles()
