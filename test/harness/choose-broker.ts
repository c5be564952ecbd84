import { brokerOfLane } from './lane.js';

const url = brokerOfLane();
if (url !== undefined) process.env['RABBITMQ_SERVER'] = url;
