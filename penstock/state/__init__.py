"""The state of processors as it lies in Kafka, for who writes it, restores it or looks at it.

`checkpoint` is what a snapshot of a partition holds, `layout` how it lies in the state topic,
`reading` gets it back, `checks` says whether it fits what is to be done with it, and `control`
carries what people command: park, resume, reset.
"""
