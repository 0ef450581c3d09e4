# The app for people who host it themselves:
#
#     docker build --tag facial-emotion .
#     docker run --publish 7860:7860 --volume facial-emotion:/cache --env EMOTION_MODEL=owner/name facial-emotion
#
# How many processors and how much memory it uses follows from --cpus and --memory.
FROM python:3.13-slim

WORKDIR /app
COPY requirements-app.txt ./
RUN pip install --no-cache-dir --requirement requirements-app.txt
COPY app.py LICENSE ./
COPY examples examples
COPY emotion emotion

# Models from the Hub stay in the volume.
RUN useradd --create-home app && install --directory --owner app --group app /cache
ENV HF_HOME=/cache GRADIO_SERVER_NAME=0.0.0.0 PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1
USER app
VOLUME /cache
EXPOSE 7860
HEALTHCHECK --start-period=60s CMD ["python", "-m", "emotion.web.health"]
CMD ["python", "app.py"]
