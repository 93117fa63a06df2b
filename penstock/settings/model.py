"""The base of all sections of the configuration."""

from pydantic import BaseModel, ConfigDict


class Model(BaseModel):
    """Base of all sections: an unknown key is an error, nothing changes once read."""

    model_config = ConfigDict(extra="forbid", frozen=True)
