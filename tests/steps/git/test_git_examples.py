from __future__ import annotations

from airfreight.steps.git_clear import GitClearStep
from airfreight.steps.git_clone import GitCloneStep
from airfreight.steps.git_commit import GitCommitStep
from airfreight.steps.git_push import GitPushStep
from airfreight.steps.git_tag import GitTagStep
from tests.git_http import GitHttpServer, git
from tests.steps.examples import example_config
from tests.steps.git.conftest import Bench


def test_the_examples_of_the_git_steps_make_one_promotion(
    bench: Bench, server: GitHttpServer
) -> None:
    head = server.create("gitops", {"a.txt": "one\n"})
    hosts = {"https://git.example.com/shop/gitops.git": server.url("gitops")}
    cloned = bench.run(GitCloneStep(), **example_config("git-clone", hosts=hosts))
    assert (cloned.output or {})["commits"]["./source"] == head
    (bench.root / "out/stale.txt").write_text("old")
    bench.run(GitClearStep(), **example_config("git-clear"))
    assert [place.name for place in (bench.root / "out").iterdir()] == [".git"]
    (bench.root / "out/b.txt").write_text("new\n")
    bench.run(GitCommitStep(), **example_config("git-commit"))
    pushed = bench.run(GitPushStep(), **example_config("git-push"))
    tagged = bench.run(GitTagStep(), **example_config("git-tag"))
    assert tagged.output == {"commit": (pushed.output or {})["commit"]}
    assert git("tag", "--list", cwd=bench.root / "out") == "dev-1.2.3"
    ((sha, message), _) = server.log("gitops", "stage/dev")
    assert (sha, message) == ((pushed.output or {})["commit"], "Promote calm-otter to dev")
    assert server.read("gitops", "stage/dev", "b.txt") == "new"
