// What `make load` runs: figures, not tests. Nothing is held against the clock here.
module.exports = { ...require('./playwright.config'), testDir: 'load', timeout: 1_800_000, reporter: [['line']] };
