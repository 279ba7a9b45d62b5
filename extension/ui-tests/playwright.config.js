// Debian's Chromium, or what CHROMIUM names: no browser is ever downloaded.
const base = require('@jupyterlab/galata/lib/playwright-config');

module.exports = {
  ...base,
  testDir: 'tests',
  outputDir: 'artefacts/failed',
  workers: 1,
  timeout: 180_000,
  expect: { timeout: Number(process.env.SOVLAB_UI_PATIENCE || 60_000) },
  reporter: [['list']],
  use: {
    ...base.use,
    actionTimeout: 60_000,
    navigationTimeout: 120_000,
    viewport: { width: 1280, height: 800 },
    video: 'off', // it would want the ffmpeg that comes with a downloaded browser
    screenshot: 'only-on-failure',
    trace: 'off',
    launchOptions: {
      executablePath: process.env.CHROMIUM || '/usr/bin/chromium',
      args: [
        '--no-sandbox',
        '--disable-gpu',
        '--disable-quic',
        '--no-first-run',
        '--disable-background-networking',
        '--disable-component-update',
        '--disable-sync'
      ]
    }
  },
  // Servers are begun by the tests: some of them are ended and begun again.
  webServer: undefined
};
