"""Kafka's security settings as Faust wants them."""

import ssl
from typing import Any

from faust.auth import SASLCredentials, SSLCredentials

from penstock.settings.plant import KafkaSettings


def credentials(settings: KafkaSettings) -> Any:
    """Kafka's security settings as Faust wants them; None for none."""
    context = None
    if settings.security in ("SSL", "SASL_SSL"):
        context = ssl.create_default_context(cafile=settings.ca)
        if settings.certificate:
            context.load_cert_chain(settings.certificate, settings.key)
        if settings.options.get("ssl.endpoint.identification.algorithm") == "none":
            context.check_hostname = False
    if settings.security.startswith("SASL"):
        password = settings.password.get_secret_value() if settings.password else None
        return SASLCredentials(
            username=settings.user,
            password=password,
            mechanism=settings.mechanism or "PLAIN",
            ssl_context=context,
        )
    return SSLCredentials(context) if context else None
