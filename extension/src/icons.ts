import { LabIcon } from '@jupyterlab/ui-components';
import jobSvg from '../style/icons/job.svg';
import submitSvg from '../style/icons/submit.svg';

export const jobIcon = new LabIcon({ name: 'sovlab:job', svgstr: jobSvg });
export const submitIcon = new LabIcon({ name: 'sovlab:submit', svgstr: submitSvg });
