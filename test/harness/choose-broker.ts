import { LANE } from './lane.js';

// One URL a lane, parted by spaces.
const url = process.env['TEST_BROKERS']?.split(' ')[LANE];
if (url !== undefined) process.env['RABBITMQ_SERVER'] = url;
