"""kernels.runs.progress: a bar, or the same methods and silence."""

import sys

import pytest

from kernels.runs.progress import Silent, progress


def use(bar):
    with bar:
        bar.set_postfix_str("loss 0.1")
        bar.update(2)
        bar.reset()
        bar.update()
    bar.close()


def test_a_bar_shows_on_standard_error_and_leaves_nothing(capsys, monkeypatch):
    pytest.importorskip("tqdm")
    monkeypatch.delenv("TQDM_DISABLE", raising=False)
    assert list(progress("abc", desc="letters", unit="letter")) == [*"abc"]
    use(progress(desc="counted", total=3))
    out, err = capsys.readouterr()
    assert out == ""
    assert "letters" in err
    assert "counted" in err
    assert err.rsplit("\r", 1)[-1].strip() == ""


@pytest.mark.parametrize("how", ["absent", "disabled"])
def test_silence(capsys, monkeypatch, how):
    if how == "absent":
        monkeypatch.delenv("TQDM_DISABLE", raising=False)
        monkeypatch.setitem(sys.modules, "tqdm", None)
    else:
        monkeypatch.setenv("TQDM_DISABLE", "1")
    bar = progress(iter("abc"), desc="letters")
    assert isinstance(bar, Silent)
    assert list(bar) == [*"abc"]
    use(progress(desc="counted", total=3))
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize("value", ["", "0"])
def test_the_variable_can_say_no(monkeypatch, value):
    pytest.importorskip("tqdm")
    monkeypatch.setenv("TQDM_DISABLE", value)
    with progress(desc="shown", total=1) as bar:
        assert not bar.disable
