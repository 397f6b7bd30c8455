# One image for the collector and the guards: the same wheel, the extras of both.
FROM python:3.12-slim AS build
WORKDIR /src
COPY pyproject.toml README.md LICENSE CHANGELOG.md ./
COPY sdk sdk
COPY collector collector
COPY guards guards
COPY dashboards dashboards
RUN python -m venv /opt/watchpost && /opt/watchpost/bin/pip install --no-cache-dir ".[server,guards]"

FROM python:3.12-slim
RUN useradd --create-home --uid 10001 watchpost \
    && install -d -o watchpost -m 0700 /var/lib/watchpost
COPY --from=build /opt/watchpost /opt/watchpost
ENV PATH=/opt/watchpost/bin:$PATH PYTHONUNBUFFERED=1
USER watchpost
EXPOSE 4317 4318 4319
CMD ["watchpost", "up"]
