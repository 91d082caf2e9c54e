# syntax=docker/dockerfile:1
# One image for every process: web, worker, upkeep, intake and the command line.

FROM python:3.13-slim-bookworm AS build
ENV UV_PYTHON_DOWNLOADS=never UV_LINK_MODE=copy UV_COMPILE_BYTECODE=1
RUN pip install --no-cache-dir uv==0.13.9 && python -m venv /opt/lamina
WORKDIR /src
COPY requirements.lock ./
RUN uv pip install --no-cache --python /opt/lamina/bin/python --no-deps \
      --torch-backend cpu torch==2.13.0 \
 && uv pip install --no-cache --python /opt/lamina/bin/python --no-deps -r requirements.lock
COPY shared ./shared
COPY web ./web
COPY workers ./workers
RUN python -m compileall -q shared web workers

FROM python:3.13-slim-bookworm
ARG VERSION=0.1.0
LABEL org.opencontainers.image.title="Lamina" \
      org.opencontainers.image.description="A self-hosted semantic index" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.licenses="Apache-2.0"
# Numeric, so that a cluster can check that it is not root.
RUN groupadd --gid 10001 lamina \
 && useradd --uid 10001 --gid 10001 --no-create-home --home-dir /nonexistent lamina \
 && install -d -o 10001 -g 10001 -m 750 /var/lib/lamina
COPY --from=build /opt/lamina /opt/lamina
COPY --from=build /src /app
COPY LICENSE /app/
# Lamina is an application: its three folders are on the path, not in site-packages.
ENV PATH=/opt/lamina/bin:$PATH \
    PYTHONPATH=/app \
    PYTHONUNBUFFERED=1 \
    OMP_NUM_THREADS=1 \
    OPENBLAS_NUM_THREADS=1 \
    TOKENIZERS_PARALLELISM=false \
    HF_HOME=/tmp/huggingface \
    LAMINA_DATA_DIR=/var/lib/lamina \
    LAMINA_HOST=0.0.0.0
WORKDIR /app
VOLUME /var/lib/lamina
USER 10001:10001
EXPOSE 8000
STOPSIGNAL SIGTERM
CMD ["python", "-m", "web"]
