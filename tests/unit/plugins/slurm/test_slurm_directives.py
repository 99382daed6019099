from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harvester.plugins.slurm.directives import read_head

HIDDEN_ARRAYS = [
    "#SBATCH --array=1-3", "#SBATCH -a1-3", "#SBATCH\t--array=1-3", "#SBATCH \t -a 1-3", "#SBATCH--array 1-3",
    "#SBATCH --arr=1-3", "#SBATCH --ar 1-3", "#SBATCH -Ha 1-3", "#SBATCH -OQa1-3", "#SLURM --array=1-3",
    "#SBATCH -n 2 --arra=1-3", "  # an indented comment\n\n\t\n#SBATCH -a 1-3",
]  # fmt: skip


@pytest.mark.parametrize("head", HIDDEN_ARRAYS)
def test_an_array_of_the_templates_own_is_refused_however_it_is_written(head: str) -> None:
    with pytest.raises(ValueError, match="array"):
        read_head(f"#!/bin/sh\n{head}\necho\n")


OUTPUTS = [
    "#SBATCH\t--output=x.out", "#SBATCH-ox.out", "#SBATCH --outp x.out", "#SBATCH --ou=x.out",
    "#SBATCH \t-o\tx.out", "#SBATCH --output 'x.out' # for people",
]  # fmt: skip


@pytest.mark.parametrize("line", OUTPUTS)
def test_a_workers_own_option_is_found_however_it_is_written(line: str) -> None:
    head = read_head(f"#!/bin/sh\n#SBATCH -n 1\n{line}\n")
    assert head.output == "x.out"
    assert head.shape == ("#SBATCH -n 1",)


@pytest.mark.parametrize(
    ("line", "kept"),
    [
        ("#SBATCH --err=e --chd /x --j=name -n 2", "#SBATCH -n 2"),
        ("#SBATCH -Ho x.out", "#SBATCH -H"),
        ("#SBATCH --exclude=n1 -e e", "#SBATCH --exclude=n1"),
        ("#SBATCH --output=o --open-mode append", "#SBATCH --open-mode=append"),
        ("#SLURM --output=o --time=7", "#SLURM --time=7"),
    ],
)
def test_what_is_not_a_workers_own_stays(line: str, kept: str) -> None:
    assert read_head(f"#!/bin/sh\n{line}\n").shape == (kept,)


@pytest.mark.parametrize(
    "line",
    ["#SBATCH --exclusive --export=ALL -A acct", "#SBATCH --account=a --cpus-per-task=2 --wckey=w", "#DW jobdw o=-a"],
)
def test_options_that_begin_alike_are_left_alone(line: str) -> None:
    head = read_head(f"#!/bin/sh\n{line}\n")
    assert (head.shape, head.output, head.error) == ((line,), None, None)


@pytest.mark.parametrize("between", ["", " ", "\t", "# c", "  # c", "\t#SBATCH -n 9", "#!x", "\r"])
def test_the_head_goes_on_until_the_first_command(between: str) -> None:
    text = f"#!/bin/sh\n{between}\n#SBATCH -n 1\n  id # a command\n#SBATCH -n 2\n"
    assert read_head(text).shape == ("#SBATCH -n 1",)


@pytest.mark.parametrize(("line", "appends"), [("append", True), ("a", True), ("truncate", False), ("t", False)])
@pytest.mark.parametrize("option", ["--open-mode=", "--open-mode ", "--op="])
def test_whether_output_is_appended(option: str, line: str, *, appends: bool) -> None:
    assert read_head(f"#!/bin/sh\n#SBATCH {option}{line}\n").appends == appends


@pytest.mark.parametrize("line", ["#SBATCH hetjob", "#SBATCH\tpackjob", "#SBATCH -n 1 hetjob"])
def test_further_components_are_kept_as_they_are(line: str) -> None:
    head = read_head(f"#!/bin/sh\n#SBATCH -o first -n 1\n{line}\n#SBATCH -o second\n")
    assert head.heterogeneous
    assert head.output == "first"
    assert head.shape == ("#SBATCH -n 1", line, "#SBATCH -o second")


@pytest.mark.parametrize("line", ["#SBATCH -o", "#SBATCH --output", "#SBATCH -n 1 --err"])
def test_an_option_without_its_value_is_explained(line: str) -> None:
    with pytest.raises(ValueError, match="on the same line"):
        read_head(f"#!/bin/sh\n{line}\n#SBATCH x.out\n")


@given(st.text(alphabet=" \t-=#aeoHJD'\"xSBATCH\n", max_size=40))
def test_nothing_but_a_refusal_is_raised(text: str) -> None:
    with suppress(ValueError):
        read_head(f"#!/bin/sh\n#SBATCH{text}\n")
