"""A consumer that stays outside its group gives its place to a new process."""

import pytest

from penstock.errors import StalledError
from penstock.runtime.membership import Membership


class Scene:
    """A membership whose clock and Kafka are ours."""

    def __init__(self) -> None:
        self.now, self.answers, self.asked = 0.0, True, 0
        self.membership = Membership("plant-lake", self._ask, 60.0, lambda: self.now)

    def _ask(self) -> bool:
        self.asked += 1
        return self.answers

    def after(self, seconds: float) -> None:
        self.now += seconds
        self.membership.look()


def test_who_never_joins_gives_up_and_who_does_stays() -> None:
    scene = Scene()
    scene.after(59)
    assert not scene.membership.inside
    scene.membership.joined()
    scene.after(1000)
    assert scene.membership.inside
    assert scene.asked == 0


def test_who_was_put_out_and_does_not_come_back_gives_up() -> None:
    scene = Scene()
    scene.membership.joined()
    scene.after(500)
    scene.membership.left()
    scene.after(30)
    scene.membership.left()  # again: it counts from the first time
    with pytest.raises(StalledError, match="no member of its group for 60 s although Kafka"):
        scene.after(30)


def test_while_kafka_is_away_nobody_gives_up_and_then_the_time_begins_anew() -> None:
    scene = Scene()
    scene.answers = False
    scene.after(61)
    scene.after(61)
    assert scene.asked == 2
    scene.answers = True
    scene.after(59)
    with pytest.raises(StalledError):
        scene.after(2)
