"""What is wrong and what to do: rules, alarm states, interlocks, annunciation.

Plain functions on plain data: time is an argument, nothing here does I/O, owns a clock or waits.
"""
