"""Espalier's client: upload a model or dataset, choose a device and a budget, wait, download what runs."""

from espalier.candidate import Artifact, Candidate, Measurement
from espalier.client import Client
from espalier.errors import EspalierError, InternalError, UserError
from espalier.job import Job
from espalier.library import Dataset, Model

__version__ = "0.1.0"
__all__ = ["Artifact", "Candidate", "Client", "Dataset", "EspalierError", "InternalError", "Job", "Measurement", "Model", "UserError"]
