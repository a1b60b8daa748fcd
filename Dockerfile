# The command `driftline` and the service `driftline run`. Commands other than `run` work as well:
#   docker run --rm -v "$PWD:/data:ro" driftline watch /data/calls.jsonl
ARG PYTHON=3.11.15-slim-bookworm

FROM python:${PYTHON} AS build
# Such as sentence-transformers: brings torch, several GB unless pip is shown an index of wheels for CPUs (PIP_EXTRA_INDEX_URL).
ARG EXTRAS=""
ARG PIP_INDEX_URL
ARG PIP_EXTRA_INDEX_URL
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_CONSTRAINT=/build/constraints.txt
WORKDIR /build
RUN python -m venv /opt/driftline
COPY constraints.txt pyproject.toml README.md LICENSE ./
COPY drift/ drift/
COPY models/ models/
COPY streams/ streams/
# Wheels only: no compiler is here, and a source package that turned up would run its own code as root.
RUN --mount=type=cache,target=/root/.cache/pip \
    /opt/driftline/bin/pip install --only-binary=:all: ".${EXTRAS:+[$EXTRAS]}" \
    && /opt/driftline/bin/pip check \
    && /opt/driftline/bin/pip uninstall --yes pip setuptools

FROM python:${PYTHON}
ARG REVISION=""
LABEL org.opencontainers.image.title="Driftline" \
      org.opencontainers.image.description="Drift detection for LLM calls in production" \
      org.opencontainers.image.version="0.1.0" \
      org.opencontainers.image.revision="${REVISION}" \
      org.opencontainers.image.licenses="Apache-2.0"
# A fixed number, so that volumes keep their owner and Kubernetes can see that it is not root.
RUN groupadd --gid 10001 driftline \
    && useradd --uid 10001 --gid driftline --no-log-init --no-create-home --home-dir /var/lib/driftline driftline \
    && install --directory --owner=driftline --group=driftline /var/lib/driftline
COPY --from=build /opt/driftline /opt/driftline
ENV PATH=/opt/driftline/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    DRIFTLINE_STORE=/var/lib/driftline/store \
    DRIFTLINE_LIVE_LISTEN=0.0.0.0:6066
USER 10001:10001
# Written to: /var/lib/driftline, which workers share, and this folder. Everything else may be read-only.
WORKDIR /tmp
EXPOSE 6066
# Of the service only; says nothing of other commands. http.client, for it heeds no proxy.
HEALTHCHECK --interval=15s --timeout=5s --start-period=60s --retries=3 \
    CMD ["python", "-c", "import http.client, os; web = http.client.HTTPConnection('127.0.0.1', int(os.environ['DRIFTLINE_LIVE_LISTEN'].rpartition(':')[2]), timeout=4); web.request('GET', '/live'); raise SystemExit(web.getresponse().status != 200)"]
ENTRYPOINT ["driftline"]
CMD ["run"]
