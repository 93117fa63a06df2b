"""Sparkplug B as both ends speak it: topics, datatypes, payloads (Eclipse Sparkplug 3.0.0)."""

from penstock.sparkplug.sparkplug_b_pb2 import Metric, Payload, PropertySet, PropertyValue
from penstock.sparkplug.topics import SparkplugTopic, parse_topic, state_topic
from penstock.sparkplug.types import BD_SEQ, REBIRTH, DataType, next_number

__all__ = [
    "BD_SEQ",
    "REBIRTH",
    "DataType",
    "Metric",
    "Payload",
    "PropertySet",
    "PropertyValue",
    "SparkplugTopic",
    "next_number",
    "parse_topic",
    "state_topic",
]
