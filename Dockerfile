# One image for the collector and the guards: the same wheel, the extras of both. Guards on a GPU:
#   docker build --build-arg EXTRAS=gpu --tag watchpost-guards-gpu .
#   docker run --gpus all watchpost-guards-gpu python -m watchpost_guards --device cuda --host 0.0.0.0
FROM python:3.12-slim AS build
WORKDIR /src
ARG EXTRAS=server,guards
COPY pyproject.toml README.md LICENSE CHANGELOG.md ./
COPY sdk sdk
COPY collector collector
COPY guards guards
COPY dashboards dashboards
RUN python -m venv /opt/watchpost && /opt/watchpost/bin/pip install --no-cache-dir ".[${EXTRAS}]"

FROM python:3.12-slim
RUN useradd --create-home --uid 10001 watchpost \
    && install -d -o watchpost -m 0700 /var/lib/watchpost \
    && install -d -o watchpost -m 0755 /var/lib/watchpost-alerts
COPY --from=build /opt/watchpost /opt/watchpost
ENV PATH=/opt/watchpost/bin:$PATH PYTHONUNBUFFERED=1
USER watchpost
EXPOSE 4317 4318 4319
CMD ["watchpost", "up"]
