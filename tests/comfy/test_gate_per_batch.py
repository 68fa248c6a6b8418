"""What is given to Threshold Gate as a list counts for its own batch, or is refused by name."""

import pytest
from graphs import changed, keep, node

from .conftest import nodes
from .test_lists import list_graph
from .test_node_options import execute, rejected, scores, student, table


def judged(comfy_app, **links):
    """The decisions on three batches of two images."""
    graph = list_graph("") | {
        "numbers": node("TestNumbers", text="0 100 0"),
        "thresholds": node("TestNumbers", text="-100 100 -100"),
        "names": node("TestLines", text="0\n\n0 1"),
    }
    run = comfy_app.run(keep(changed(graph, "gate", **{"k": 50.0, **links}), decisions=["gate", 0]))
    assert run.error is None
    return [decision.rejected for decision in run.kept["decisions"]], run


def test_every_batch_is_judged_at_its_own_k(comfy_app):
    found, run = judged(comfy_app, k=["numbers", 0])
    assert found == [(), (0, 1), ()]
    shown = run.ui["gate"]["adaptive_gate"][0]
    assert (shown["k"], shown["threshold"], shown["table"]) == (None, None, "this run")


def test_every_batch_has_its_own_threshold_by_hand(comfy_app):
    assert judged(comfy_app, threshold_override=["thresholds", 0])[0] == [(), (0, 1), ()]


def test_every_batch_has_its_own_verdicts_by_hand_and_an_empty_one_goes_by_the_table(comfy_app):
    found, _ = judged(comfy_app, reject_indices=["names", 0], k=0.0)
    assert found == [(0,), (), (0, 1)]


def test_every_batch_has_its_own_table():
    ours, theirs = table(0, 1, 2), table(100, 101, 102)
    groups = {"scores": [scores(50), scores(50)], "k": [50.0]}
    output = execute("AdaptiveThresholdGate", table=["Demo"], percentile_table=[ours, theirs], **groups)
    assert rejected(output) == [(), (0,)]
    mixed = {"table": ["this run", "Demo"], "percentile_table": [None, theirs]}
    assert rejected(execute("AdaptiveThresholdGate", **mixed, **groups)) == [(), (0,)]


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("k", [0.0, 100.0]),
        ("table", ["this run"] * 2),
        ("percentile_table", [None, None]),
        ("threshold_override", [0.0, 1.0]),
        ("reject_indices", ["0", "1"]),
    ],
)
def test_another_number_than_there_are_batches_is_refused_by_name(name, values):
    inputs = {"table": ["this run"], "k": [50.0], "scores": [scores(1, 2)] * 3, name: values}
    with pytest.raises(ValueError, match=f"Threshold Gate: 2 values of {name} do not fit 3 batches; link one for all"):
        execute("AdaptiveThresholdGate", **inputs)


def numbers(comfy_app, **links):
    """The gate on plain numbers of three prompts' images, and on the scores they are of."""
    graph = changed(list_graph(""), "gate", k=50.0)
    graph["plain"] = {**graph["gate"]}
    graph = changed(graph, "gate", student=["student", 1])
    graph = changed(graph, "plain", scores=["scores", 1], **links)
    return comfy_app.run(keep(graph, decisions=["gate", 0], plain=["plain", 0]))


def test_plain_numbers_are_judged_batch_by_batch_where_the_students_tell_their_batches(comfy_app):
    run = numbers(comfy_app, student=["student", 1])
    assert run.error is None
    plain, own = run.kept["plain"], run.kept["decisions"]
    assert [each.rejected for each in plain] == [each.rejected for each in own]
    assert [each.student for each in plain] == [each.student for each in own]
    assert [each.student.seed for each in plain] == [5, 6, 7]
    assert run.ui["plain"]["adaptive_gate"][0]["scores"] == run.ui["gate"]["adaptive_gate"][0]["scores"]


def test_numbers_that_do_not_fit_the_students_need_students_that_agree():
    alike, other = student(steps=4, seed=1), student(steps=8, seed=2)
    inputs = {"scores": [1.0, 2.0, 3.0], "table": ["this run"], "k": [50.0]}
    output = execute("AdaptiveThresholdGate", student=[alike, student(steps=4, seed=3)], **inputs)
    told = output.args[0][0].student
    assert (told.steps, told.seed) == (4, None)
    with pytest.raises(ValueError, match="Threshold Gate: 2 students came, of which one has steps 8 instead of 4"):
        execute("AdaptiveThresholdGate", student=[alike, other], **inputs)


def test_a_table_of_another_student_is_told_of_every_student_once():
    linked = table(*range(101), steps=4)
    inputs = {"scores": [scores(1), scores(2), scores(3)], "table": ["Demo"], "k": [50.0], "percentile_table": [linked]}
    students = [student(steps=4), student(steps=8), student(steps=8)]
    shown = execute("AdaptiveThresholdGate", student=students, **inputs).ui["adaptive_gate"][0]
    assert shown["warnings"] == ["table 'made' was made with another student: steps 8 instead of 4"]


def test_following_takes_one_k():
    inputs = {"scores": [scores(1), scores(2)], "table": ["Demo"], "k": [40.0, 60.0], "follow": [True]}
    with pytest.raises(ValueError, match="to follow your prompts, all batches are judged by one table at one k"):
        execute("AdaptiveThresholdGate", percentile_table=[table(*range(101))], **inputs)


def test_best_of_n_and_others_refuse_a_list_of_k():
    with pytest.raises(ValueError, match="Best of N: k takes one value, but 2 came; link one"):
        nodes()["AdaptiveBestOfN"].execute(k=[0.0, 100.0])
