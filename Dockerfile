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
        --constraint requirements.lock dist/*.whl

FROM python:3.11-slim-bookworm
COPY --from=build /opt/penstock /opt/penstock
ENV PATH=/opt/penstock/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1
WORKDIR /var/lib/penstock
RUN chown 10001:10001 . && penstock --version
USER 10001:10001
ENTRYPOINT ["penstock"]
CMD ["--help"]
