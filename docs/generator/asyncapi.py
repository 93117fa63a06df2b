"""The topics as an AsyncAPI 3 document, for tools that read interfaces."""

import io
from typing import Any, Final

from ruamel.yaml import YAML

from penstock import __version__, components
from penstock.kafka import cloud_events, topics
from penstock.kafka.topics import TOPICS, Topic
from schemas import schema

_TRAIT: Final = "CloudEvent"
_AVRO: Final = "application/vnd.apache.avro+json;version=1.9.0"


def asyncapi() -> str:
    """The document as YAML."""
    yaml = YAML()
    yaml.default_flow_style = False
    yaml.width = 100
    stream = io.StringIO()
    yaml.dump(document(), stream)
    return stream.getvalue()


def document() -> dict[str, Any]:
    """The document: channels are topics, messages records, operations the ends of components."""
    records = sorted({str(topic.record) for topic in TOPICS})
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "Penstock",
            "version": __version__,
            "description": "The topics of a plant. Values are in Confluent's wire format: a zero "
            "byte, the schema's id in four bytes, the Avro datum.",
            "license": {"name": "Apache-2.0"},
        },
        "defaultContentType": "application/avro",
        "channels": {_name(topic): _channel(topic) for topic in TOPICS},
        "operations": _operations(),
        "components": {
            "messages": {record: _message(record) for record in records},
            "messageTraits": {_TRAIT: _cloud_event()},
        },
    }


def _channel(topic: Topic) -> dict[str, Any]:
    kept = {"cleanup.policy": ["compact"]}
    if topic.retention_ms is not None:
        kept = {"cleanup.policy": ["delete"], "retention.ms": topic.retention_ms}
    return {
        "address": topic.name,
        "messages": {topic.record: {"$ref": f"#/components/messages/{topic.record}"}},
        "bindings": {
            "kafka": {
                "topicConfiguration": {**kept, "max.message.bytes": topics.MAX_MESSAGE_BYTES},
                "bindingVersion": "0.5.0",
            }
        },
    }


def _cloud_event() -> dict[str, Any]:
    return {
        "headers": {
            "type": "object",
            "required": list(cloud_events.HEADERS),
            "properties": {
                name: {"type": "string", "description": meaning}
                for name, meaning in cloud_events.HEADERS.items()
            },
        }
    }


def _message(record: str) -> dict[str, Any]:
    found = schema(record)
    told = any(topic.record == record and topic.name in cloud_events.TELLING for topic in TOPICS)
    return {
        "name": record,
        "title": record,
        **({"summary": found["doc"]} if "doc" in found else {}),
        "contentType": "application/avro",
        **({"traits": [{"$ref": f"#/components/messageTraits/{_TRAIT}"}]} if told else {}),
        "payload": {"schemaFormat": _AVRO, "schema": found},
        "bindings": {
            "kafka": {
                "key": {"type": "string"},
                "schemaIdLocation": "payload",
                "schemaIdPayloadEncoding": "confluent",
                "bindingVersion": "0.5.0",
            }
        },
    }


def _operations() -> dict[str, Any]:
    found: dict[str, Any] = {
        f"connectors-{_name(topic)}": _operation("send", topic.name, "Every connector.")
        for topic in (topics.SENSORS, topics.CATALOG)
    }
    for name in components.names("processors"):
        processor = components.load("processors", name)
        summary = (processor.__doc__ or "").strip().partition("\n")[0]
        for topic in (one.topic for one in processor.reads):
            end = topic.replace(".", "-")
            found[f"{name}-reads-{end}"] = _operation("receive", topic, summary)
        found[f"{name}-writes"] = _operation("send", processor.writes, summary)
    return found


def _operation(action: str, topic: str, summary: str) -> dict[str, Any]:
    channel = {"$ref": f"#/channels/{topic.replace('.', '-')}"}
    return {"action": action, "channel": channel, "summary": summary}


def _name(topic: Topic) -> str:
    return topic.name.replace(".", "-")
