# The program alone on an empty file system: a static binary and the certificate authorities, 13 MB. Built by scripts/image.sh.
# Time zones are in the binary. What it writes goes to mounted folders: STATE_FILE, LOG_FILE and /tmp.
# Pin the base by digest where your registry keeps one: --build-arg RUST_IMAGE=docker.io/library/rust@sha256:…
ARG RUST_IMAGE=docker.io/library/rust:1.95-slim-bookworm

FROM ${RUST_IMAGE} AS build
WORKDIR /build
RUN apt-get update \
    && apt-get install -y --no-install-recommends musl-tools make ca-certificates \
    && rm -rf /var/lib/apt/lists/*
COPY . .
# The time of the commit, not of the build.
ARG SOURCE_DATE_EPOCH
RUN test -n "$SOURCE_DATE_EPOCH" && scripts/lib/build-root.sh /root-of-image \
    && find /root-of-image -exec touch --no-dereference --date="@$SOURCE_DATE_EPOCH" {} +

FROM scratch
ARG VERSION
ARG REVISION
ARG CREATED
ARG SOURCE
LABEL org.opencontainers.image.title="error-budget-monitor" \
      org.opencontainers.image.description="Puts GitOps and Argo CD back to the last good revision when a deployment burns the error budget." \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}" \
      org.opencontainers.image.created="${CREATED}" \
      org.opencontainers.image.source="${SOURCE}"
COPY --from=build /root-of-image/ /
USER 65532:65532
ENTRYPOINT ["/error-budget-monitor"]
