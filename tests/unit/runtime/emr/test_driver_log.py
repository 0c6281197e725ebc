"""The log of a Spark driver: read at the end, without Spark's chatter, each line once."""

from intermodal.runtime.emr.driver_log import DriverLog


def test_each_line_is_given_once_and_sparks_chatter_never():
    printed = ["one", "26/01/01 INFO SparkContext: Running", "", "two"]
    log = DriverLog(lambda: list(printed), "s3://bucket/logs/")
    assert log.lines() == []  # while it runs nothing is read
    assert log.lines(search=True) == ["one", "two"]
    assert log.lines(search=True) == []
    printed.append("three")
    assert log.lines(search=True) == ["three"]


def test_a_log_that_is_late_is_told_where_it_will_lie():
    (line,) = DriverLog(list, "s3://bucket/logs/").lines(search=True)
    assert "s3://bucket/logs/" in line
