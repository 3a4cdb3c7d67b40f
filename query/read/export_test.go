package read

// Advise is advise, for tests: its rules stand in a table there.
var Advise = advise
