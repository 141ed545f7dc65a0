# Builds with any engine from 20.10 on, without buildx. Stage `sandbox` is the default image of a box: `image: sandbox`.
# Add what your tasks need here: it is built again when this text changes, and results carry the image's digest.
# BASE is replaced by harness-base:bookworm where scripts/base-image made it, so that no registry is needed.
ARG BASE=debian:bookworm-slim
FROM ${BASE} AS sandbox
RUN set -e; \
    missing=; \
    for tool in python3:python3 git:git bash:bash timeout:coreutils grep:grep ps:procps patch:patch; do \
      command -v "${tool%%:*}" >/dev/null || missing="$missing ${tool##*:}"; \
    done; \
    test -s /etc/ssl/certs/ca-certificates.crt || missing="$missing ca-certificates"; \
    if [ -n "$missing" ]; then \
      apt-get -qq update; \
      DEBIAN_FRONTEND=noninteractive apt-get -qq install -y --no-install-recommends $missing; \
      rm -rf /var/lib/apt/lists/*; \
    fi; \
    useradd --uid 1000 --user-group --create-home --shell /bin/bash agent; \
    install -d -o agent -g agent /work
ENV LANG=C.UTF-8
USER agent
WORKDIR /work
CMD ["bash"]

# Stage `runner`: the program itself, for nightly CI: docker build --target runner -t harness-runner .
# Mount the workspace at /workspace; for tasks in boxes also the engine's socket (docs/how-to/nightly.md).
FROM ${BASE} AS runner
RUN apt-get -qq update \
 && DEBIAN_FRONTEND=noninteractive apt-get -qq install -y --no-install-recommends python3-venv git ca-certificates \
 && rm -rf /var/lib/apt/lists/*
ENV PIP_CERT=/etc/ssl/certs/ca-certificates.crt SSL_CERT_FILE=/etc/ssl/certs/ca-certificates.crt \
    PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1 LANG=C.UTF-8 MPLCONFIGDIR=/tmp/matplotlib
COPY pyproject.toml README.md Dockerfile /src/
COPY harness /src/harness
RUN python3 -m venv /opt/harness && /opt/harness/bin/pip install -q /src && rm -rf /src \
 && useradd --uid 1000 --user-group --create-home --shell /bin/bash harness \
 && install -d -o harness -g harness /workspace
ENV PATH=/opt/harness/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HARNESS_WORKSPACE=/workspace
USER harness
WORKDIR /workspace
CMD ["harness", "--help"]
