"""A tag is flagged once when it is stale and once when it is cut off, on its source's clock."""

from penstock.connector import Sample
from penstock.quality import BAD, BAD_NO_COMMUNICATION, GOOD, UNCERTAIN_LAST_USABLE_VALUE
from penstock.runtime.freshness import Freshness

SECOND = 1_000_000
STALE = 10 * SECOND


def sample(tag: str = "power", time: int = 0, quality: int = GOOD) -> Sample:
    return Sample("press07", tag, 1.5, time, server_time=time, quality=quality)


def test_a_stale_tag_is_flagged_once_with_its_last_value() -> None:
    freshness = Freshness(STALE)
    freshness.heard([sample()], 0)
    assert freshness.newly_stale(STALE) == []
    (flag,) = freshness.newly_stale(STALE + 1)
    assert (flag.value, flag.quality) == (1.5, UNCERTAIN_LAST_USABLE_VALUE)
    assert flag.server_time is None, "no server said so"
    assert freshness.stale == 1
    assert freshness.newly_stale(3 * STALE) == []


def test_a_tag_that_is_heard_again_may_get_stale_again() -> None:
    freshness = Freshness(STALE)
    freshness.heard([sample("power"), sample("speed")], 0)
    assert len(freshness.newly_stale(2 * STALE)) == 2
    freshness.heard([sample("speed", 2 * STALE)], 2 * STALE)
    assert freshness.stale == 1
    assert [flag.tag for flag in freshness.newly_stale(4 * STALE)] == ["speed"]


def test_a_tag_whose_last_was_bad_is_stale_but_not_flagged() -> None:
    freshness = Freshness(STALE)
    freshness.heard([sample(quality=BAD)], 0)
    assert freshness.newly_stale(2 * STALE) == []
    assert freshness.stale == 1


def test_a_lost_link_flags_every_good_tag_once() -> None:
    freshness = Freshness(STALE)
    freshness.heard([sample("power"), sample("speed", quality=BAD)], 0)
    flags = freshness.cut_off(SECOND)
    assert [(f.tag, f.quality, f.source_time) for f in flags] == [
        ("power", BAD_NO_COMMUNICATION, SECOND)
    ]
    assert freshness.cut_off(2 * SECOND) == [], "tried again in vain: the gap has begun already"
    assert freshness.newly_stale(2 * STALE) == []


def test_a_flag_of_a_source_whose_clock_is_behind_lies_on_its_clock() -> None:
    freshness = Freshness(STALE)
    year = 365 * 86_400 * SECOND
    freshness.heard([sample(time=5)], year)
    (flag,) = freshness.newly_stale(year + 2 * STALE)
    assert flag.source_time == 5 + 2 * STALE
    (flag,) = freshness.cut_off(year + 3 * STALE)
    assert flag.source_time == 5 + 3 * STALE


def test_a_flag_never_overwrites_the_sample_that_it_repeats() -> None:
    freshness = Freshness(STALE)
    freshness.heard([sample(time=5)], 100)
    (flag,) = freshness.cut_off(50)  # our clock was put back
    assert flag.source_time == 6


def test_an_unchanged_tag_is_fresh_while_the_device_vouches_for_it() -> None:
    freshness = Freshness(STALE)
    freshness.heard([sample()], 0)
    assert freshness.newly_stale(5 * STALE, vouched=5 * STALE - SECOND) == []
    (flag,) = freshness.newly_stale(7 * STALE, vouched=5 * STALE)
    assert flag.quality == UNCERTAIN_LAST_USABLE_VALUE


def test_a_value_that_was_old_when_it_came_is_flagged_at_the_time_of_its_assets_others() -> None:
    freshness = Freshness(STALE)
    other = Sample("packer", "power", 1.5, 3 * SECOND, server_time=0, quality=GOOD)
    freshness.heard([sample("shift", 0), sample("power", 7 * SECOND), other], 8 * SECOND)
    flags = {(flag.asset, flag.tag): flag.source_time for flag in freshness.cut_off(10 * SECOND)}
    assert flags == {
        ("press07", "shift"): 9 * SECOND,
        ("press07", "power"): 9 * SECOND,
        ("packer", "power"): 5 * SECOND,
    }


def test_tags_that_are_cut_off_already_say_nothing_of_the_time() -> None:
    freshness = Freshness(STALE)
    freshness.heard([sample("shift", 0), sample("power", 0)], 0)
    freshness.cut_off(10 * SECOND)
    freshness.heard([sample("power", 20 * SECOND)], 20 * SECOND)
    (flag,) = freshness.cut_off(21 * SECOND)
    assert (flag.tag, flag.source_time) == ("power", 21 * SECOND)
