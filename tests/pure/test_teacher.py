"""What is known of a teacher, kept and compared as what is known of a student."""

from adaptive_diffusion.gate.settings import Settings
from adaptive_diffusion.gate.student import Student, differences
from adaptive_diffusion.gate.teacher import Teacher

REFINING = Teacher("demo", "refine", 5, 2.0, "unipc_diffusers", "uniform", 0.7, "schedule", dtype="float32")


def test_it_is_kept_as_its_known_settings_and_read_again():
    assert REFINING.settings == {
        "name": "demo",
        "strategy": "refine",
        "steps": 5,
        "cfg": 2.0,
        "sampler": "unipc_diffusers",
        "scheduler": "uniform",
        "rollback": 0.7,
        "rollback_scale": "schedule",
        "dtype": "float32",
    }
    assert Teacher.read(REFINING.settings | {"of a later version": 1}) == REFINING


def test_differences_are_phrases_and_what_is_not_known_is_none():
    other = Teacher("demo", "refine", 8, 2.0, rollback=0.5, patches="LoRA", patch_digest="1a")
    assert REFINING.differences(other) == ["steps 8 instead of 5", "rollback 0.5 instead of 0.7"]
    assert set(REFINING.unequal(other)) == {
        *("steps", "sampler", "scheduler", "rollback", "rollback_scale", "patches", "patch_digest", "dtype")
    }
    assert other.label == "demo with LoRA (1a)" and Teacher().label == "of unknown name"


def test_a_task_tells_its_teacher_as_its_student():
    found = {"student": Student("a", 1).settings, "teacher": REFINING.settings}
    now = {"student": Student("a", 2).settings, "teacher": Teacher("demo", "regenerate").settings}
    assert differences(found, now) == ["student steps 1 instead of 2", "teacher strategy refine instead of regenerate"]


def test_a_students_batch_is_no_setting_and_a_teacher_has_none():
    assert not {"seed", "candidates", "spent"} & {*Student.names()} and "steps" in Student.names()
    assert Teacher.names() == tuple(Teacher.__dataclass_fields__)
    assert issubclass(Student, Settings) and Student("demo").unequal(Student("student")) == {}
    assert Teacher("demo").unequal(Teacher("student"))
