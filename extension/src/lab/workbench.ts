import type { JupyterFrontEnd, JupyterFrontEndPlugin } from '@jupyterlab/application';
import { URLExt } from '@jupyterlab/coreutils';
import { NAMESPACE, Rest } from '../model/rest';
import { Socket } from '../model/socket';
import { Workbench } from '../model/workbench';
import { shared } from '../shared';
import { IWorkbench } from '../tokens';

/** Asks the server and keeps what it tells; cards come alive by it. */
export const workbench: JupyterFrontEndPlugin<IWorkbench> = {
  id: 'sovlab:workbench',
  description: 'Keeps what the server tells of jobs and hardware.',
  autoStart: true,
  provides: IWorkbench,
  activate: (app: JupyterFrontEnd) => {
    const settings = app.serviceManager.serverSettings;
    const open = () => {
      let url = URLExt.join(settings.wsUrl, NAMESPACE, 'stream');
      if (settings.appendToken && settings.token) {
        url += `?token=${encodeURIComponent(settings.token)}`;
      }
      return new settings.WebSocket(url);
    };
    const made = new Workbench(new Rest(settings), new Socket({ open }));
    made.outputs.restore(sessionStorage);
    shared.workbench = made;
    const again = () => {
      if (made.link === 'absent') {
        void made.start();
      } else if (made.socket.state === 'waiting') {
        made.socket.connect();
      }
    };
    // A laptop that wakes up does not wait for its next turn.
    window.addEventListener('online', again);
    document.addEventListener('visibilitychange', () => {
      if (!document.hidden) {
        again();
      }
    });
    void app.started.then(() => made.start());
    return made;
  }
};
