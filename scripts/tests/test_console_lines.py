"""Every console line of the documents is run by CI, or listed with a reason."""

from tests.console import COMMANDS, in_documents, in_text, listed


def test_the_lines_of_a_text() -> None:
    text = (
        "x\n```console\nmake a   # comment\n# only a comment\ncut '#1' \\\n  b\n```\n"
        "```python\nno\n```\n```console\nc\n```\n"
    )
    assert list(in_text(text)) == ["make a", "cut '#1'    b", "c"]


def test_every_line_is_run_or_listed() -> None:
    run, not_run = listed()
    known = [*COMMANDS, *run, *not_run]
    assert len(known) == len({*known}), "a line is listed twice"
    shown = in_documents()
    missing = {line: where for line, where in shown.items() if line not in known}
    assert missing == {}, "neither run nor left out with a reason"
    assert [line for line in known if line not in shown] == [], "stale"


def test_every_line_left_out_has_a_reason() -> None:
    assert all(len(reason.split()) > 2 for reason in listed()[1].values())
