"""Erasing a person or a picture from every version of a data set, with a receipt.

DVC keeps no way to delete one file from its cache, its remotes and its history. Here the object that holds an
erased picture is replaced, in every place, by a short note (a tombstone): the bytes are gone, while every old
version can still be pulled with all else that it had. Remotes get the note also for what they did not hold: an
older clone finds something there under the object's name, and pushes no original.
"""
