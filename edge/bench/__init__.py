"""What this box can do: stage by stage, by model size and threads, and the whole node as it will run.

Everything is timed on real pictures: people of the sample footage, enlarged to the wanted size, with the noise of a
sensor. Numbers of one run belong together; those of two machines, or of a busy and an idle one, do not.
"""
