# Three images from one build; the last one, doorward, is what `docker build .` gives:
#
#   docker build -t doorward .
#   docker build -t demo-backend --target demo-backend .
#
# They hold one static binary and the certificates of public authorities, no shell and no package manager, and run as a user
# without rights. doorward itself is the program that asks whether it is well; from outside, ask /readyz on port 9180.

FROM golang:1.26 AS build
WORKDIR /src
# For builders that reach Go modules through a mirror only; empty means Go's own default.
ARG GOPROXY
ENV CGO_ENABLED=0
# The modules are a layer of their own, which a change of the code leaves as it is.
COPY go.mod go.sum ./
RUN go mod download
COPY . .
# Version and commit come from .git; without a usable one (a worktree's, say) the build goes on without them.
RUN go build -trimpath -ldflags "-s -w" -buildvcs="$(git status >/dev/null 2>&1 && echo true || echo false)" -o /out/ \
    ./cmd/doorward ./cmd/demo-provider ./cmd/demo-backend

FROM gcr.io/distroless/static-debian12:nonroot AS demo-provider
COPY --from=build /out/demo-provider /demo-provider
USER 65532:65532
EXPOSE 9998
ENTRYPOINT ["/demo-provider"]

FROM gcr.io/distroless/static-debian12:nonroot AS demo-backend
COPY --from=build /out/demo-backend /demo-backend
USER 65532:65532
EXPOSE 8080
ENTRYPOINT ["/demo-backend"]

FROM gcr.io/distroless/static-debian12:nonroot AS doorward
COPY --from=build /out/doorward /doorward
USER 65532:65532
EXPOSE 4180 9180
HEALTHCHECK --interval=10s --timeout=5s --start-period=5s CMD ["/doorward", "healthcheck"]
ENTRYPOINT ["/doorward"]
