"""What becomes of a cell in a second run has one of seven names, and the difference is named."""

from __future__ import annotations

import pytest

from sovlab.batch.verifying.comparing import compare
from sovlab.batch.verifying.result import Verdict
from sovlab.batch.verifying.tolerance import Tolerance
from sovlab.errors import UsageError
from tests.batch.verifying.made import code, display, error, notebook, shown, stdout


def only(recorded, again, options=None):
    """The result of the one cell of two notebooks."""
    (cell,) = compare(notebook(recorded), notebook(again), options).cells
    return cell


def test_a_cell_with_the_same_output_is_the_same():
    cell = only(code(stdout("1\n"), display(text_plain="x")), code(stdout("1\n"), display(text_plain="x")))
    assert (cell.verdict, cell.words, cell.differences) == (Verdict.SAME, "", ())


def test_a_number_within_tolerance_is_counted_with_its_deviations():
    cell = only(code(stdout("loss 0.5, 2.0\n")), code(stdout("loss 0.5000001, 2.0\n")))
    assert cell.verdict is Verdict.WITHIN
    assert (cell.numbers.changed, cell.numbers.beyond) == (1, 0)
    assert cell.numbers.absolute == pytest.approx(1e-7)
    assert cell.numbers.relative == pytest.approx(2e-7)
    (difference,) = cell.differences
    assert (difference.where, difference.recorded, difference.again) == (
        "stdout",
        "loss 0.5, 2.0",
        "loss 0.5000001, 2.0",
    )


def test_one_number_beyond_tolerance_among_many_is_found_and_shown():
    lines = [f"step {i} loss {i / 7:.6f}" for i in range(1000)]
    changed = [*lines]
    changed[617] = "step 617 loss 88.2"
    cell = only(code(stdout("\n".join(lines))), code(stdout("\n".join(changed))))
    assert cell.verdict is Verdict.DIFFERS
    assert (cell.numbers.changed, cell.numbers.beyond) == (1, 1)
    assert cell.differences[0].recorded == lines[617]
    assert cell.differences[0].again == "step 617 loss 88.2"
    assert "1 number changed, 1 beyond tolerance" in cell.words


def test_the_difference_that_is_shown_is_one_beyond_tolerance_where_there_is_one():
    cell = only(code(stdout("a 1.0\nb 2.0\n")), code(stdout("a 1.00000001\nb 3.0\n")))
    assert (cell.differences[0].recorded, cell.differences[0].again) == ("b 2.0", "b 3.0")


def test_a_word_that_changed_differs_whatever_the_tolerance():
    cell = only(code(stdout("on cuda: 1\n")), code(stdout("on cpu: 1\n")), Tolerance(rtol=1e9, atol=1e9))
    assert cell.verdict is Verdict.DIFFERS
    assert (cell.differences[0].recorded, cell.differences[0].again) == ("on cuda: 1", "on cpu: 1")


def test_an_exception_that_the_record_does_not_have_is_an_error():
    cell = only(code(stdout("1\n")), code(stdout("1\n"), error("ValueError", "bad shape")))
    assert (cell.verdict, cell.words) == (Verdict.ERROR, "it ended with ValueError")
    assert cell.differences[0].again == "ValueError: bad shape"


def test_an_exception_that_the_record_has_as_well_is_an_error_unless_the_cell_is_tagged():
    cell = code(error("ValueError"))
    assert only(cell, cell).verdict is Verdict.ERROR
    assert "tag it raises-exception" in only(cell, cell).words
    tagged = code(error("ValueError"), tags=["raises-exception"])
    assert only(tagged, tagged).verdict is Verdict.SAME


def test_an_exception_of_the_record_that_does_not_come_again_differs():
    cell = only(code(error("ValueError"), tags=["raises-exception"]), code(stdout("fine\n")))
    assert cell.verdict is Verdict.DIFFERS
    assert cell.words == "it ended with ValueError in the record, and with no exception now"


def test_another_exception_differs_though_the_cell_may_raise():
    tags = {"tags": ["nbval-raises-exception"]}
    cell = only(code(error("ValueError"), **tags), code(error("TypeError"), **tags))
    assert cell.verdict is Verdict.DIFFERS
    assert cell.words == "it ended with ValueError in the record, and with TypeError now"


def test_the_message_of_an_exception_is_compared_and_its_traceback_is_not():
    tags = {"tags": ["raises-exception"]}
    same, other = error("ValueError"), error("ValueError", "yes")
    elsewhere = {**error("ValueError"), "traceback": ["quite another"]}
    assert only(code(same, **tags), code(elsewhere, **tags)).verdict is Verdict.SAME
    assert only(code(same, **tags), code(other, **tags)).verdict is Verdict.DIFFERS


def test_a_magic_that_failed_without_an_output_is_an_error():
    assert only(code(), code(papermill={"exception": True})).verdict is Verdict.ERROR


@pytest.mark.parametrize("status", ["killed: OOM", "timeout"])
def test_a_cell_that_was_broken_off_is_an_error_though_papermill_calls_it_completed(status):
    again = code(stdout("1"), papermill={"status": "completed"}, sovlab={"status": status})
    cell = only(code(stdout("1")), again)
    assert (cell.verdict, cell.words) == (Verdict.ERROR, f"it ended with {status}")


@pytest.mark.parametrize("extra", [{}, {"sovlab": {"status": "not-run"}}])
def test_a_cell_that_did_not_run_again_is_not_run(extra):
    assert only(code(stdout("1")), code(count=None, **extra)).verdict is Verdict.NOT_RUN
    assert only(code(count=None), code(count=None, **extra)).verdict is Verdict.NOT_RUN


def test_an_empty_cell_has_nothing_to_run():
    assert only(code(source=" \n", count=None), code(source=" \n", count=None)).verdict is Verdict.SAME


def test_a_cell_that_the_record_never_ran_is_ignored():
    cell = only(code(count=None), code(stdout("new")))
    assert (cell.verdict, cell.words) == (Verdict.IGNORED, "the record has no run of it")


def test_cells_that_one_of_the_two_lacks_are_missing_and_named():
    recorded = notebook(code(id="a"), code(id="b", source="only_before()"), code(id="c"))
    again = notebook(code(id="a"), code(id="c"), code(id="d", source="only_now()"))
    first, second, third, fourth = compare(recorded, again).cells
    assert (first.verdict, third.verdict) == (Verdict.SAME, Verdict.SAME)
    assert (second.verdict, second.id, second.title, second.words) == (
        Verdict.MISSING,
        "b",
        "only_before()",
        "the second run does not have it",
    )
    assert (fourth.verdict, fourth.id, fourth.words) == (Verdict.MISSING, "d", "the record does not have it")


def test_cells_are_matched_by_id_wherever_they_stand():
    recorded = notebook(code(stdout("1"), id="a"), code(stdout("2"), id="b"))
    again = notebook(code(stdout("2"), id="b"), {"cell_type": "markdown"}, code(stdout("1"), id="a"))
    result = compare(recorded, again)
    assert [(cell.verdict, cell.number, cell.id) for cell in result.cells] == [
        (Verdict.SAME, 1, "a"),
        (Verdict.SAME, 2, "b"),
    ]


def test_cells_whose_ids_were_drawn_anew_are_matched_by_source_and_then_by_place():
    recorded = notebook(code(stdout("1"), id="x1", source="p(1)"), code(stdout("2"), id="x2", source="p(2)"))
    again = notebook(code(stdout("1"), id="y1", source="p(1)"), code(stdout("2"), id="y2", source="p(3)"))
    first, second = compare(recorded, again).cells
    assert (first.verdict, second.verdict) == (Verdict.SAME, Verdict.SAME)
    assert second.notes == ("Its source is not that of the record.",)


def test_ids_that_stand_twice_do_not_mix_cells_up():
    cells = [code(stdout(str(i)), id="same", source=f"p({i})") for i in range(3)]
    assert {cell.verdict for cell in compare(notebook(*cells), notebook(*cells)).cells} == {Verdict.SAME}


def test_kinds_of_output_come_before_their_contents():
    cell = only(code(display(text_plain="1", text_html="<b>1</b>")), code(display(text_plain="2")))
    assert [(each.where, each.words) for each in cell.differences[:1]] == [
        ("text/html", "only in the record")
    ]
    assert cell.verdict is Verdict.DIFFERS


def test_one_output_more_of_a_kind_differs():
    cell = only(code(display(text_plain="1")), code(display(text_plain="1"), display(text_plain="1")))
    assert (cell.verdict, cell.words) == (Verdict.DIFFERS, "text/plain: 1 of them in the record, 2 now")


def test_streams_in_pieces_and_outputs_of_other_kinds_between_them_are_the_same():
    recorded = code(stdout("a"), stdout("w", "stderr"), stdout("b\n"), display(text_plain="1"))
    again = code(display(text_plain="1"), stdout("ab\n"), stdout("w", "stderr"))
    assert only(recorded, again).verdict is Verdict.SAME


def test_text_in_lines_is_the_same_as_text_in_one_piece():
    assert (
        only(code(shown("text/plain", ["a\n", "b"])), code(shown("text/plain", "a\nb"))).verdict
        is Verdict.SAME
    )


def test_standard_error_is_compared_too():
    cell = only(code(stdout("old warning", "stderr")), code(stdout("new warning", "stderr")))
    assert (cell.verdict, cell.differences[0].where) == (Verdict.DIFFERS, "stderr")


def test_views_of_widgets_counts_and_metadata_are_not_compared():
    view = "application/vnd.jupyter.widget-view+json"
    recorded = code(shown(view, {"model_id": "1"}), count=1, execution={"time": 1})
    again = code(shown(view, {"model_id": "2"}), count=7, execution={"time": 2})
    assert only(recorded, again).verdict is Verdict.SAME


def test_what_is_known_of_no_kind_is_compared_by_its_bytes():
    cell = only(code(shown("application/pdf", "JVBE")), code(shown("application/pdf", "JVBF")))
    assert (cell.verdict, cell.words) == (Verdict.DIFFERS, "application/pdf: the bytes differ")


def test_a_tag_gives_one_cell_a_tolerance_of_its_own():
    loose = {"tags": ["sovlab-tol=1e-2"]}
    recorded = notebook(code(stdout("1.0"), id="a", **loose), code(stdout("1.0"), id="b"))
    again = notebook(code(stdout("1.005"), id="a", **loose), code(stdout("1.005"), id="b"))
    assert [cell.verdict for cell in compare(recorded, again).cells] == [Verdict.WITHIN, Verdict.DIFFERS]


def test_a_cell_whose_output_is_ignored_must_still_end_as_it_did():
    tags = {"tags": ["nbval-ignore-output"]}
    assert only(code(stdout("1"), **tags), code(stdout("2"), **tags)).verdict is Verdict.IGNORED
    assert only(code(stdout("1"), **tags), code(error("ValueError"), **tags)).verdict is Verdict.ERROR


def test_lax_compares_only_what_is_tagged():
    lax = Tolerance(lax=True)
    tags = {"tags": ["nbval-check-output"]}
    assert only(code(stdout("1")), code(stdout("2")), lax).verdict is Verdict.IGNORED
    assert only(code(stdout("1"), **tags), code(stdout("2"), **tags), lax).verdict is Verdict.DIFFERS
    assert only(code(stdout("1")), code(error("ValueError")), lax).verdict is Verdict.ERROR


def test_what_the_sanitisers_take_out_is_the_same_and_said_so():
    cell = only(code(stdout("<X at 0x7f01aa02bb> 1")), code(stdout("<X at 0x7f99aa02bb> 1")))
    assert (cell.verdict, cell.words) == (Verdict.SAME, "stdout: the same but for addresses")
    exact = only(
        code(stdout("<X at 0x7f01aa02bb> 1")), code(stdout("<X at 0x7f99aa02bb> 1")), Tolerance(sanitizers=())
    )
    assert exact.verdict is Verdict.DIFFERS


@pytest.mark.parametrize("wrong", [{"rtol": -1.0}, {"atol": float("nan")}, {"likeness": 1.5}])
def test_a_tolerance_that_is_none_is_refused(wrong):
    with pytest.raises(UsageError, match=next(iter(wrong))):
        Tolerance(**wrong)
