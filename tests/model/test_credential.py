from airfreight.model.credential import Credential


def test_a_password_does_not_show():
    credential = Credential("robot", "hunter2")
    assert "hunter2" not in f"{credential} {credential!r}"
    assert "robot" in repr(credential)
