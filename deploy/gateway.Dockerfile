# The gateway alone, from this tree; compose.yaml beside it says how it is run.
FROM python:3.11-slim
WORKDIR /src
COPY pyproject.toml README.md LICENSE ./
COPY langchain_moonshot_cache langchain_moonshot_cache
RUN pip install --no-cache-dir '.[server,redis]'
WORKDIR /
USER 1000:1000
EXPOSE 8000
ENTRYPOINT ["python", "-m", "langchain_moonshot_cache.server"]
