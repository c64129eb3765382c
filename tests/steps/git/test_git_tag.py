"""Tags made in a clone and pushed to a real server over HTTP."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from airfreight.errors import RefusedError, RetryableStepError, TerminalStepError
from airfreight.steps.git_commit import GitCommitStep
from airfreight.steps.git_push import GitPushStep
from airfreight.steps.git_tag import GitTagStep
from tests.git_http import GitHttpServer, git
from tests.steps.git.conftest import Bench


def tag(bench: Bench, name: str = "v1", message: str = "First", *, force: bool = False) -> str:
    """Run the step and return the SHA of the tag object."""
    bench.run(GitTagStep(), path="src", tag=name, message=message, force=force)
    return git("rev-parse", f"refs/tags/{name}", cwd=bench.root / "src")


@pytest.fixture
def cloned(bench: Bench, server: GitHttpServer) -> Bench:
    server.create("app", {"a.txt": "one\n"})
    bench.clone(server.url("app"))
    return bench


def test_a_tag_is_annotated_and_dated_by_the_promotion(cloned: Bench) -> None:
    result = cloned.run(GitTagStep(), path="src", tag="rel/1.0", message="Release\n\nNotes")
    place = cloned.root / "src"
    assert result.output == {"commit": git("rev-parse", "HEAD", cwd=place)}
    shown = "%(objecttype) %(taggername) %(taggerdate:unix) %(subject)|%(body)"
    listed = git("for-each-ref", f"--format={shown}", "refs/tags/rel/1.0", cwd=place)
    assert listed == "tag Airfreight 1714564800 Release|Notes"


def test_a_repeated_tag_is_the_same_object(
    cloned: Bench, new_bench: Callable[[], Bench], server: GitHttpServer
) -> None:
    first = tag(cloned)
    fresh = new_bench()
    fresh.clone(server.url("app"))
    assert [tag(cloned), tag(fresh)] == [first, first]


def test_a_tag_that_was_pushed_before_a_crash_is_found_and_pushed_once(
    cloned: Bench, new_bench: Callable[[], Bench], server: GitHttpServer
) -> None:
    outputs = []
    for bench in (cloned, new_bench()):
        bench.clone(server.url("app"))
        sha = tag(bench)
        outputs.append(bench.run(GitPushStep(), path="src", tag="v1").output)
        assert git("rev-parse", "refs/tags/v1", cwd=server.path("app")) == sha
    assert outputs[0] == outputs[1] == {"commit": server.log("app")[0][0]}


def test_a_tag_of_the_name_that_is_another_stays_unless_forced(cloned: Bench) -> None:
    first = tag(cloned)
    with pytest.raises(TerminalStepError, match="there is a tag 'v1' already"):
        tag(cloned, message="Second")
    assert git("rev-parse", "refs/tags/v1", cwd=cloned.root / "src") == first
    assert tag(cloned, message="Second", force=True) != first


def test_a_tag_of_an_earlier_try_stays_where_others_pushed_before_the_next(
    cloned: Bench, new_bench: Callable[[], Bench], server: GitHttpServer
) -> None:
    """Guard: `_made_before`; without it the promotion ends, though its tag is there."""
    tagged = server.log("app")[0][0]
    first = tag(cloned)
    cloned.run(GitPushStep(), path="src", tag="v1")
    server.commit("app", {"a.txt": "theirs\n"}, "Theirs")
    fresh = new_bench()
    fresh.clone(server.url("app"))
    assert fresh.run(GitTagStep(), path="src", tag="v1", message="First").output == {
        "commit": tagged
    }
    fresh.run(GitPushStep(), path="src", tag="v1")
    assert git("rev-parse", "refs/tags/v1", cwd=server.path("app")) == first
    with pytest.raises(TerminalStepError, match="there is a tag 'v1' already"):
        tag(fresh, message="Second")


def test_a_light_tag_of_others_is_not_replaced(cloned: Bench) -> None:
    git("tag", "v1", cwd=cloned.root / "src")
    with pytest.raises(TerminalStepError, match="there is a tag 'v1' already"):
        tag(cloned)


def test_a_tag_that_the_repository_holds_otherwise_is_not_overwritten(
    cloned: Bench, server: GitHttpServer
) -> None:
    head = server.log("app")[0][0]
    git("tag", "v1", head, cwd=server.path("app"))
    tag(cloned)
    with pytest.raises((TerminalStepError, RetryableStepError), match="already exists"):
        cloned.run(GitPushStep(), path="src", tag="v1")
    assert git("rev-parse", "refs/tags/v1", cwd=server.path("app")) == head


def test_the_tag_names_the_commit_that_the_promotion_made(
    cloned: Bench, server: GitHttpServer
) -> None:
    (cloned.root / "src/a.txt").write_text("two\n")
    made = cloned.run(GitCommitStep(), path="src", message="Two").output
    assert cloned.run(GitTagStep(), path="src", tag="v2", message="Two").output == made
    cloned.run(GitPushStep(), path="src", tag="v2")
    assert {"commit": git("rev-parse", "v2^{commit}", cwd=server.path("app"))} == made


def test_the_tag_is_not_pushed_once_another_process_took_over(
    cloned: Bench, server: GitHttpServer
) -> None:
    tag(cloned)

    def overtaken() -> None:
        raise RefusedError("another process promotes to this Stage by now")

    cloned.check_fence = overtaken
    with pytest.raises(RefusedError):
        cloned.run(GitPushStep(), path="src", tag="v1")
    assert git("tag", "--list", cwd=server.path("app")) == ""


@pytest.mark.parametrize("name", ["-d", "a b", "a..b", "x\ny", "refs:x", "v1.lock", "+v1"])
def test_a_name_that_git_forbids_or_reads_as_an_option_is_refused(cloned: Bench, name: str) -> None:
    with pytest.raises(TerminalStepError, match="not a name that a tag can have"):
        tag(cloned, name)
