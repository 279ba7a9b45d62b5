// What is tested has no tie to JupyterLab but Lumino's signals: no application is loaded, and no browser.
// Types are checked by `jlpm typecheck`, for all files at once.
module.exports = {
  setupFiles: ['<rootDir>/jest.setup.js'],
  testRegex: 'src/.*\\.spec\\.ts$',
  transform: {
    '^.+\\.ts$': ['ts-jest', { tsconfig: 'tsconfig.jest.json' }]
  }
};
