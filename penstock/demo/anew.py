"""Kept data may be of another release: processors that cannot go on with their state start anew."""

from concurrent.futures import ThreadPoolExecutor
from itertools import compress

from penstock.clock import now
from penstock.errors import TopicError
from penstock.processor import Processor, chosen
from penstock.settings.plant import Plant
from penstock.state.administration import Administration
from penstock.state.overview import unfit


def start_anew(plant: Plant) -> list[str]:
    """Reset the plant's processors whose state does not fit to the time of now; gives their names.

    Raises:
        KafkaUnavailableError: Kafka does not answer.
    """

    def misfit(processor: Processor) -> bool:
        try:
            return bool(unfit(plant, processor))
        except TopicError:  # it never ran
            return False

    processors = chosen(plant)
    with ThreadPoolExecutor(len(processors) or 1) as executor:
        misfits = list(executor.map(misfit, processors))
    found = list(compress(processors, misfits))
    for processor in found:
        Administration(plant, processor).reset(now())
    return [one.name for one in found]
