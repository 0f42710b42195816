-- Run in single-user mode, while nothing listens: the maintenance role can be entered by this password alone.
-- One statement to a line, as that mode reads it. `password` is of letters, digits, - and _ only.
alter role postgres password '{password}';
